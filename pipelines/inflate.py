"""Plain, gzip or zstd bytes to plain bytes, in pieces of bounded size.

What a file is, its first bytes say; names lie. Everything before a damage is delivered before
`DamagedError` is raised.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import zstandard

PIECE_BYTES = 256 * 1024
"""Size of a piece of inflated bytes, so that a file of zeros cannot fill the memory."""

_ZSTD_SLICE_BYTES = 1024
"""zstd takes no limit on its output: its densest block makes 128 KiB out of 4 bytes, so a slice
yields at most 32 MiB."""
_ZSTD_WINDOW_BYTES = 128 * 1024 * 1024  # the zstd command's own limit

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FOREIGN = {
    b"BZh": "is bzip2; pipe it in: bzcat FILE | pushwake replay --access-log -",
    b"\xfd7zXZ\x00": "is xz; pipe it in: xzcat FILE | pushwake replay --access-log -",
    b"\x04\x22\x4d\x18": "is lz4; pipe it in: lz4cat FILE | pushwake replay --access-log -",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"PAR1": "is Parquet; rollups are read with --rollups",
    b"\xff\xfe": "is UTF-16; convert it: iconv -f utf-16 -t utf-8",
    b"\xfe\xff": "is UTF-16; convert it: iconv -f utf-16 -t utf-8",
}
_SNIFF_BYTES = 6


class DamagedError(Exception):
    """The bytes from here on cannot be inflated; the message says why."""


def inflate(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Plain bytes of ``chunks``.

    Args:
        chunks: a file's bytes in order, in chunks of any size above zero.
        name: the file's name; its suffix only decides how to speak of a bad header.

    Raises:
        DamagedError: after all that could be inflated was yielded.
    """
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _SNIFF_BYTES:
            break
    whole = _again(head, chunks)
    if head.startswith(_GZIP):
        return _gunzip(whole)
    if head.startswith((_ZSTD, *_ZSTD_SKIPPABLE)):
        return _unzstd(whole)
    for magic, reason in _FOREIGN.items():
        if head.startswith(magic):
            raise DamagedError(reason)
    if name.endswith((".gz", ".zst")) and b"\x00" in head[:512]:
        raise DamagedError(f"has a bad header: its name says {name.rpartition('.')[2]}")
    return _again(head.removeprefix(_BYTE_ORDER_MARK), chunks)


def _again(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from chunks


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Concatenated members; zeros between and after them are padding, as gzip(1) has it."""
    member = None
    data = b""
    for chunk in chunks:
        data += chunk
        while data:
            if member is None:
                data = data.lstrip(b"\x00")
                if len(data) < len(_GZIP):
                    break
                if not data.startswith(_GZIP):
                    raise DamagedError("has trailing bytes that are no gzip data")
                member = zlib.decompressobj(wbits=31)
            yield from _pieces(member, data)
            data = member.unused_data
            member = None if member.eof else member
    if member is not None:
        raise DamagedError("is a truncated gzip file")
    if data:
        raise DamagedError("has trailing bytes that are no gzip data")


def _pieces(member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    piece = b""
    while data or len(piece) == PIECE_BYTES:
        try:
            piece = member.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            raise DamagedError(f"is damaged gzip data ({_brief(error)})") from error
        if piece:
            yield piece
        data = member.unconsumed_tail


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Concatenated frames, skippable ones passed over."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    frame = decompressor.decompressobj()
    is_open = False
    for chunk in chunks:
        data = chunk
        while data:
            head, data = data[:_ZSTD_SLICE_BYTES], data[_ZSTD_SLICE_BYTES:]
            try:
                piece = frame.decompress(head)
            except zstandard.ZstdError as error:
                raise DamagedError(f"is damaged zstd data ({_brief(error)})") from error
            for start in range(0, len(piece), PIECE_BYTES):
                yield piece[start : start + PIECE_BYTES]
            is_open = not frame.eof
            if frame.eof:
                data = frame.unused_data + data
                frame = decompressor.decompressobj()
    if is_open:
        raise DamagedError("is a truncated zstd file")


def _brief(error: Exception) -> str:
    return str(error).rpartition(": ")[2]
