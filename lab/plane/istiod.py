"""One istiod: an ADS server whose connects, pushes, acks and nacks are real."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from detector.clock import monotonic_s
from lab.mesh import Pod
from lab.plane import protos
from lab.plane.log import IstiodLog
from lab.plane.protos import Request, Response
from lab.plane.proxy import Proxy
from lab.policy import Order, Policy
from lab.xds import Scene

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD = "StreamAggregatedResources"
Tell = Callable[[str, str | None, dict[str, Any]], None]
"""Notes an event: its kind, the proxy, more."""


class Istiod:
    """A control plane process, as proxies see it.

    Args:
        scene: the mesh.
        log: istiod's own log.
        tell: where events are noted.
        policy: what proxies are told.
        order: in which order they are told it.
    """

    def __init__(
        self, scene: Scene, log: IstiodLog, tell: Tell, policy: Policy, order: Order
    ) -> None:
        self.scene = scene
        self.log = log
        self.tell = tell
        self.policy = policy
        self.order = order
        self.random = random.Random(11)
        self.proxies: dict[str, Proxy] = {}
        self.pushes = 0
        self._connections = 0
        self._pushed_at = monotonic_s()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._pods = {pod.id: pod for pod in scene.mesh.pods}

    async def start(self) -> int:
        """Listen, and return the port."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=protos.reader(),
            response_serializer=protos.writer(),
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
        )
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.log.started()
        self.tell("control-plane-start", None, {})
        return port

    async def stop(self) -> None:
        """End, cutting all connections."""
        await self._server.stop(None)
        self.tell("control-plane-stop", None, {})

    async def push(
        self, policy: Policy, reason: str, pods: Sequence[str] | None, spread_s: float
    ) -> None:
        """Send a new configuration to all connected proxies, or to those of these ids.

        Proxies come one after another, over ``spread_s``, as a throttled istiod serves them.
        """
        self.policy = policy
        self.pushes += 1
        at = monotonic_s()
        self.log.pushing(self.pushes, reason, at - self._pushed_at, len(self.proxies))
        self._pushed_at = at
        self.tell("push", None, {"full": True, "reason": reason})
        chosen = [proxy for name, proxy in self.proxies.items() if pods is None or name in pods]
        self.random.shuffle(chosen)
        for proxy in chosen:
            proxy.push()
            await asyncio.sleep(spread_s / max(1, len(chosen)))

    async def _stream(
        self,
        requests: AsyncIterator[Request],
        context: grpc.aio.ServicerContext[Request, Response],
    ) -> AsyncIterator[Response]:
        """Serve one proxy until its connection ends."""
        first = await anext(requests)
        node = str(first.node.id)
        pod = self._pods[node.split("~")[2]]
        proxy = self._admit(node, pod, str(first.version_info))
        listening = asyncio.create_task(_listen(proxy, first, requests))
        try:
            while (answer := await proxy.answers.get()) is not None:
                yield answer
        finally:
            listening.cancel()
            proxy.close()
            port = context.peer().rpartition(":")[2]
            self.log.terminated(proxy.connection, f"{pod.ip}:{port}")
            self.tell("disconnect", pod.id, {})
            if self.proxies.get(pod.id) is proxy:
                del self.proxies[pod.id]

    def _admit(self, node: str, pod: Pod, version_info: str) -> Proxy:
        self._connections += 1
        connection = self.log.connection(node, pod.id, self._connections)
        proxy = Proxy(self, pod, connection)
        self.proxies[pod.id] = proxy
        self.log.connected(connection, version_info)
        self.tell("connect", pod.id, {})
        return proxy


async def _listen(proxy: Proxy, first: Request, requests: AsyncIterator[Request]) -> None:
    """Take requests until the proxy goes."""
    proxy.take(first)
    try:
        async for request in requests:
            proxy.take(request)
    finally:
        proxy.answers.put_nowait(None)
