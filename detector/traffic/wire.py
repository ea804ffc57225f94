"""HTTP/1.x as bytes on a stream: just enough, and nothing is corrected on the way.

Libraries refuse to send what a mesh must survive (HTTP/1.0, a 204 with a transfer-encoding,
answers that end in the middle), hence these few lines of our own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

END = b"\r\n\r\n"
LIMIT = 64 * 1024
"""Bytes of a head, and of one chunk-size line: Envoy's own limit for heads is 60 KiB."""
NO_BODY = frozenset({204, 304})


class WireError(Exception):
    """What came is no HTTP/1.x."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line in three parts, and the headers with names in lower case."""

    first: tuple[str, str, str]
    headers: dict[str, str]

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.first[1]) if self.first[1].isdigit() else 0

    @property
    def keeps(self) -> bool:
        """Whether the connection may be used again."""
        word = self.headers.get("connection", "").lower()
        version = self.first[0] if self.first[0].startswith("HTTP/") else self.first[2]
        return word == "keep-alive" if version == "HTTP/1.0" else word != "close"


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head, or None when the peer has closed.

    Raises:
        WireError: too long, or no HTTP.
    """
    try:
        raw = await reader.readuntil(END)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise WireError("head too long") from error
    lines = raw[: -len(END)].decode("latin-1").split("\r\n")
    first = lines[0].split(" ", 2)
    if len(first) < 2:
        raise WireError("no HTTP")
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Head((first[0], first[1], first[2] if len(first) > 2 else ""), headers)


async def read_body(reader: asyncio.StreamReader, head: Head, *, to_end: bool = False) -> int:
    """Bytes of the body that follows; ``to_end`` reads one without a length until the end.

    Raises:
        WireError: the body is no HTTP.
        asyncio.IncompleteReadError: the peer closed before its end.
    """
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = head.headers.get("content-length")
    if length is None:
        return len(await reader.read(-1)) if to_end else 0
    if not length.isdigit():
        raise WireError("content-length is no number")
    left = int(length)
    while left:
        got = await reader.read(min(left, LIMIT))
        if not got:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(got)
    return int(length)


async def _read_chunks(reader: asyncio.StreamReader) -> int:
    total = 0
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise WireError("chunk size is no number") from error
        await reader.readexactly(size + 2)
        if size == 0:
            return total
        total += size


def request(method: str, path: str, headers: dict[str, str], body: int, version: str) -> bytes:
    """A request with a body of ``body`` bytes."""
    length = {"content-length": str(body)} if body or method in {"POST", "PUT", "PATCH"} else {}
    lines = [f"{name}: {value}" for name, value in {**headers, **length}.items()]
    head = "\r\n".join([f"{method} {path} {version}", *lines])
    return head.encode("latin-1", "replace") + END + b"x" * body


def response(status: int, body: bytes, *, chunked: bool, close: bool, bare: bool = False) -> bytes:
    """A response; ``bare`` has a head only, with the length a body would have (HEAD)."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", "content-type: text/plain"]
    if close:
        lines.append("connection: close")
    if status in NO_BODY:
        body = b""
    elif chunked:
        lines.append("transfer-encoding: chunked")
    else:
        lines.append(f"content-length: {len(body)}")
    head = "\r\n".join(lines).encode() + END
    if bare or status in NO_BODY:
        return head
    return head + (_chunks(body) if chunked else body)


def _chunks(body: bytes, size: int = 4096) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
