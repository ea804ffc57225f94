"""The control plane's process: commands on standard input, one answer a line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import msgspec

from detector.clock import now
from lab import helper
from lab.mesh import XDS_PORT, Mesh
from lab.plane.front import Front
from lab.plane.istiod import Istiod
from lab.plane.log import IstiodLog
from lab.policy import Order, Policy
from lab.xds import Scene

Document = dict[str, Any]


class Plane:
    """Any number of istiods behind one address."""

    def __init__(self, scene: Scene, logs: Path, events: TextIO) -> None:
        self._scene = scene
        self._logs = logs
        self._events = events
        self._front = Front()
        self._istiods: dict[str, Istiod] = {}
        self._ports: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take the address of the Service."""
        await self._front.start(self._scene.mesh.xds, XDS_PORT)

    async def start(
        self, name: str, version: str, policy: Document, order: Document, as_json: bool
    ) -> Document:
        """Start an istiod; proxies come to it once `serve` names it."""
        stream = (self._logs / f"{name}.log").open("a", buffering=1, encoding="utf-8")
        log = IstiodLog(version, as_json=as_json, write=_writer(stream))
        self._istiods[name] = istiod = Istiod(
            self._scene,
            log,
            lambda kind, proxy, more: self._tell(kind, proxy, version, name, more),
            msgspec.convert(policy, Policy),
            msgspec.convert(order, Order),
        )
        self._ports[name] = await istiod.start()
        return {}

    async def serve(self, name: str) -> Document:
        """New connections go to this istiod from now on."""
        self._front.backend = self._ports[name]
        return {}

    async def cut(self, ips: list[str]) -> Document:
        """Break off these pods' connections: they come back to the istiod that serves."""
        return {"cut": sum(self._front.cut(ip) for ip in ips)}

    async def stop(self, name: str) -> Document:
        """End an istiod."""
        del self._ports[name]
        await self._istiods.pop(name).stop()
        return {}

    async def push(
        self, name: str, policy: Document, reason: str, spread_s: float, pods: list[str] | None
    ) -> Document:
        """Let an istiod push; answers at once, while the push goes on."""
        pushing = self._istiods[name].push(msgspec.convert(policy, Policy), reason, pods, spread_s)
        task = asyncio.create_task(pushing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {}

    async def connected(self, name: str) -> Document:
        """The ids of the proxies connected to an istiod."""
        return {"proxies": sorted(self._istiods[name].proxies)}

    def _tell(self, kind: str, proxy: str | None, version: str, name: str, more: Document) -> None:
        event = {"time": now().isoformat(), "kind": kind, "proxy": proxy, "version": version}
        self._events.write(json.dumps({**event, "istiod": name, **more}) + "\n")


def _writer(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)

    return write


async def main() -> None:
    """Serve until standard input ends."""
    setup = json.loads(sys.argv[1])
    mesh = Mesh(setup["octet"], mixed=setup["mixed"])
    scene = Scene(mesh, setup["certificates"], [(a, b) for a, b in setup["logs"]])
    folder = Path(setup["folder"])
    with (folder / "events.ndjson").open("a", buffering=1, encoding="utf-8") as events:
        plane = Plane(scene, folder / "istiod", events)
        await plane.listen()
        names = ("start", "serve", "cut", "stop", "push", "connected")
        await helper.serve({name: getattr(plane, name) for name in names})


if __name__ == "__main__":
    asyncio.run(main())
