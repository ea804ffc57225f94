"""The application that answers what it is asked: `pushwake traffic echo`, the lab's services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from detector.traffic import wire
from detector.traffic.asks import Ask, AskError, Call, parse

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[str], Awaitable[Streams]]
"""Opens a connection to an authority (host:port)."""

CALL_S = 30.0
"""Seconds a call to another application may take."""
FORWARDED = ("x-request-id", "traceparent", "x-b3-traceid", "x-b3-spanid", "user-agent")
"""Headers that applications pass on, so that a request can be followed through the mesh."""


async def dial(authority: str) -> Streams:
    """Connect to host:port."""
    host, _, port = authority.rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=wire.LIMIT)


class Echo:
    """Answers on any number of connections; one instance is one application.

    Args:
        dial: how calls to other applications are made.
        override: what to do instead of what is asked, for applications that misbehave.
    """

    def __init__(self, dial: Dial = dial, override: Callable[[Ask], Ask] | None = None) -> None:
        self._dial = dial
        self._override = override
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer HTTP requests on one connection until either side closes it."""
        self._open.add(writer)
        try:
            while (head := await wire.read_head(reader)) is not None:
                await wire.read_body(reader, head)
                if not await self._answer(head, writer):
                    break
        except (wire.WireError, asyncio.IncompleteReadError, OSError):
            pass  # the peer broke off: nobody is left to tell
        finally:
            self._open.discard(writer)
            writer.close()

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send back whatever comes."""
        self._open.add(writer)
        try:
            while data := await reader.read(wire.LIMIT):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        """Break all connections off, as a crash does."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _answer(self, head: wire.Head, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open."""
        try:
            ask = parse(head.first[1])
        except AskError as error:
            writer.write(wire.response(400, f"{error}\n".encode(), chunked=False, close=False))
            return head.keeps
        ask = self._override(ask) if self._override else ask
        status = ask.status
        for call in ask.calls:
            answered = await self._call(call, head.headers)
            if status < 400 <= answered:
                status = answered
                break
        if ask.delay_s:
            await asyncio.sleep(ask.delay_s)
        if ask.fault == "reset":
            return False
        if ask.fault == "garbage":
            writer.write(b"\x00\x01 no http\r\n\r\n")
            return False
        if ask.fault == "te204":
            writer.write(b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
            return True
        close = ask.close or not head.keeps
        body = b"x" * ask.size
        raw = wire.response(
            status, body, chunked=ask.chunked, close=close, bare=head.first[0] == "HEAD"
        )
        if ask.fault == "cut":
            writer.write(raw[: max(1, len(raw) - ask.size // 2 - 1)])
            await writer.drain()
            return False
        writer.write(raw)
        await writer.drain()
        return not close

    async def _call(self, call: Call, headers: dict[str, str]) -> int:
        """The status of the answer; 502 when there is none."""
        try:
            async with asyncio.timeout(CALL_S):
                reader, writer = await self._dial(call.authority)
                try:
                    if call.method == "TCP":
                        return await _exchange(reader, writer)
                    passed = {name: headers[name] for name in FORWARDED if name in headers}
                    passed |= {"host": call.authority, "connection": "close"}
                    writer.write(wire.request(call.method, call.path, passed, 0, "HTTP/1.1"))
                    head = await wire.read_head(reader)
                    if head is None:
                        return 502
                    if call.method != "HEAD" and head.status not in wire.NO_BODY:
                        await wire.read_body(reader, head, to_end=True)
                    return head.status
                finally:
                    writer.close()
        except (OSError, TimeoutError, wire.WireError, asyncio.IncompleteReadError):
            return 502


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int = 64
) -> int:
    """Bytes to a TCP echo and back, as a status: 200 when they came back, else 502."""
    writer.write(b"x" * size)
    try:
        return 200 if len(await reader.readexactly(size)) == size else 502
    except asyncio.IncompleteReadError:
        return 502
