"""All applications of the mesh in one process; they misbehave on command."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import replace
from typing import Any

from detector.traffic import rpc, wire
from detector.traffic.asks import Ask
from detector.traffic.echo import Echo, Streams
from lab import helper
from lab.mesh import AUTHZ_PORT, GRPC_PORT, HTTP_PORT, OUTBOUND_PORT, TCP_PORT, Mesh, Pod
from lab.xds.clusters import STRICT_204_PORT


class App:
    """The application of one pod."""

    def __init__(self, mesh: Mesh, pod: Pod) -> None:
        self.pod = pod
        self._mesh = mesh
        self._random = random.Random(pod.name)
        self._share = 0.0
        self._instead = Ask()
        self._echo = Echo(self._dial, self._misbehave)
        self._strict = Echo(self._dial, lambda ask: _strict(self._misbehave(ask)))
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen on all ports of the service."""
        ports = [(HTTP_PORT, self._echo.serve), (STRICT_204_PORT, self._strict.serve)]
        if self.pod.service.name == "cart":
            ports.append((TCP_PORT, self._echo.serve_tcp))
        for port, serve in ports:
            self._servers.append(
                await asyncio.start_server(serve, self.pod.app_ip, port, limit=wire.LIMIT)
            )

    async def crash(self) -> None:
        """Stop listening and break off all connections, as a process that dies does."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._echo.hang_up()
        self._strict.hang_up()

    def misbehave(self, share: float, ask: Ask) -> None:
        """Answer this share of requests with something else than they ask for."""
        self._share, self._instead = share, ask

    def _misbehave(self, ask: Ask) -> Ask:
        if self._random.random() < self._share:
            return replace(self._instead, calls=ask.calls)
        return ask

    async def _dial(self, authority: str) -> Streams:
        """Through the pod's own proxy, which is told the destination as iptables would."""
        name, _, port = authority.rpartition(":")
        address, ip = self._mesh.cluster_ip(name.partition(".")[0]), self.pod.ip
        streams = await asyncio.open_connection(
            ip, OUTBOUND_PORT, local_addr=(ip, 0), limit=wire.LIMIT
        )
        source = streams[1].get_extra_info("sockname")[1]
        streams[1].write(f"PROXY TCP4 {ip} {address} {source} {port}\r\n".encode())
        return streams


def _strict(ask: Ask) -> Ask:
    """A server that marks a 204 as chunked, as some frameworks do."""
    return replace(ask, fault="te204") if ask.status == 204 and not ask.fault else ask


class Apps:
    """The orders."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._apps = {pod.id: App(mesh, pod) for pod in mesh.pods if not pod.gateway}
        self._authz = Echo()
        self._authz_server: asyncio.Server | None = None
        self._rpc: list[Any] = []

    async def start(self) -> None:
        """Let all applications listen."""
        for app in self._apps.values():
            await app.start()
        for pod in self._mesh.of("catalog"):
            self._rpc.append(await rpc.serve(f"{pod.app_ip}:{GRPC_PORT}"))
        await self.authz(up=True)

    async def authz(self, up: bool) -> dict[str, Any]:
        """Start or kill the authorisation service."""
        if up:
            self._authz_server = await asyncio.start_server(
                self._authz.serve, self._mesh.authz, AUTHZ_PORT, limit=wire.LIMIT
            )
        elif self._authz_server:
            self._authz_server.close()
            self._authz.hang_up()
        return {}

    async def crash(self, pods: list[str]) -> dict[str, Any]:
        """Kill the applications of these pods."""
        for name in pods:
            await self._apps[name].crash()
        return {}

    async def restart(self, pods: list[str]) -> dict[str, Any]:
        """Start them again."""
        for name in pods:
            await self._apps[name].start()
        return {}

    async def misbehave(self, pods: list[str], share: float, ask: dict[str, Any]) -> dict[str, Any]:
        """Let a share of these pods' requests be answered otherwise; a share of 0 ends it."""
        for name in pods:
            self._apps[name].misbehave(share, Ask(**ask))
        return {}


async def main() -> None:
    """Serve until standard input ends."""
    setup = json.loads(sys.argv[1])
    apps = Apps(Mesh(setup["octet"]))
    await apps.start()
    names = ("authz", "crash", "restart", "misbehave")
    await helper.serve({name: getattr(apps, name) for name in names})


if __name__ == "__main__":
    asyncio.run(main())
