"""Sends requests: connections kept and dropped as clients in the wild do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from uuid import uuid4

from detector.traffic import wire
from detector.traffic.echo import Streams, dial
from detector.traffic.mix import Request

ANSWER_S = 40.0
"""Seconds to wait for an answer."""
HANG_UP_S = 0.05
"""Seconds after which an impatient client goes away."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: the address to connect to, the Host they name, a path in front."""

    address: str  # host:port
    host: str
    base: str = ""


class Client:
    """Sends requests one at a time per connection, and keeps idle connections to use again."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[Streams]] = defaultdict(list)

    async def send(self, target: Target, request: Request) -> int:
        """The status of the answer; 0 when there was none."""
        streams: Streams | None = None
        try:
            async with asyncio.timeout(ANSWER_S):
                streams, used = await self._connect(target.address)
                status = await self._exchange(streams, target, request)
                if status is None and used:  # the peer closed it while it was idle: once more
                    streams[1].close()
                    streams = await dial(target.address)
                    status = await self._exchange(streams, target, request)
                return status or 0
        except (OSError, TimeoutError, asyncio.IncompleteReadError, wire.WireError):
            if streams:
                streams[1].transport.abort()
            return 0

    async def _connect(self, address: str) -> tuple[Streams, bool]:
        idle = self._idle[address]
        while idle:
            reader, writer = idle.pop()
            if not reader.at_eof():
                return (reader, writer), True
            writer.close()
        return await dial(address), False

    async def _exchange(self, streams: Streams, target: Target, request: Request) -> int | None:
        """The status; None when the connection was closed before an answer."""
        reader, writer = streams
        version = "HTTP/1.0" if request.kind == "http10" else "HTTP/1.1"
        headers = {"host": target.host, "x-request-id": str(uuid4())}
        if request.agent:
            headers["user-agent"] = request.agent
        if not request.keep:
            headers["connection"] = "close"
        path = target.base + request.path
        writer.write(wire.request(request.method, path, headers, request.body, version))
        await writer.drain()
        if request.kind == "hang-up":
            await asyncio.sleep(HANG_UP_S)
            writer.transport.abort()
            return 0
        head = await wire.read_head(reader)
        if head is None:
            return None
        if request.method != "HEAD" and head.status not in wire.NO_BODY:
            await wire.read_body(reader, head, to_end=not head.keeps)
        if request.keep and head.keeps:
            self._idle[target.address].append(streams)
        else:
            writer.close()
        return head.status

    def close(self) -> None:
        """Drop all idle connections."""
        for streams in self._idle.values():
            for _, writer in streams:
                writer.close()
        self._idle.clear()
