"""The clients of the mesh, in a process of their own: varied traffic at its gateways."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from detector.traffic.client import Target
from detector.traffic.drive import Driver
from detector.traffic.mix import WEIGHTS, Mix, Route
from detector.traffic.rpc import Caller
from lab import helper
from lab.mesh import GATEWAY, GATEWAY_PORT, HOST, ROUTES, TCP_PORT, Mesh


class Load:
    """The orders."""

    def __init__(self, mesh: Mesh, seed: int) -> None:
        gateways = [f"{pod.ip}:{GATEWAY_PORT}" for pod in mesh.of(GATEWAY.name)]
        routes = [Route.read(text) for text in ROUTES]
        targets = [Target(address, HOST) for address in gateways]
        caller = Caller()

        async def call(body: int) -> int:
            return await caller.send(gateways[0], HOST, body)

        tcp = f"cart:{TCP_PORT}"
        self._usual = Driver(Mix(WEIGHTS, routes, tcp, seed), targets, call)
        self._surge = Driver(Mix(WEIGHTS, routes, tcp, seed + 1), targets[:1])
        self._running = [asyncio.create_task(one.run()) for one in (self._usual, self._surge)]

    async def rate(self, per_s: float) -> dict[str, Any]:
        """Requests a second at the gateways; each makes about four access log entries."""
        self._usual.rate = per_s
        return {}

    async def surge(self, kind: str, per_s: float) -> dict[str, Any]:
        """One client sends this kind besides; a rate of 0 ends it."""
        self._surge.only, self._surge.rate = kind, per_s
        return {}

    async def sent(self) -> dict[str, Any]:
        """What was sent and answered so far: kind/status -> count."""
        return dict(self._usual.sent + self._surge.sent)


async def main() -> None:
    """Send until standard input ends."""
    setup = json.loads(sys.argv[1])
    load = Load(Mesh(setup["octet"]), setup["seed"])
    await helper.serve({name: getattr(load, name) for name in ("rate", "surge", "sent")})


if __name__ == "__main__":
    asyncio.run(main())
