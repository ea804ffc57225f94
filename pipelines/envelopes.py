"""What reaches Kafka around a line, taken off without any configuration."""

from __future__ import annotations

import re

import msgspec

from pipelines import otlp, prefixes
from pipelines.identity import Identity
from pipelines.layers import (
    NotJsonError,
    TooDeepError,
    peel_logged,
    peel_object,
    peel_text,
    read_json,
)
from pipelines.partials import PartialJoiner
from pipelines.record import Record

__all__ = ["Identity", "PartialJoiner", "Record", "peel"]

_COMPRESSED = (
    b"\x1f\x8b",  # gzip
    b"\x28\xb5\x2f\xfd",  # zstd
    b"\x04\x22\x4d\x18",  # lz4
    b"\xff\x06\x00\x00sNaPpY",  # snappy, framed
    b"\x82SNAPPY\x00",  # snappy, as Java clients frame it
    b"BZh",
    b"\xfd7zXZ\x00",
)
_JSON = re.compile(r'\ufeff?\s*(?:\{|\[\s*[{"])')
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\x1b")
_PACKED_MAPS = frozenset((*range(0x80, 0x90), 0xDE, 0xDF))
_BINARY_SHARE = 0.3
"""Text in a wrong encoding stays far below this share of undecodable bytes, binary data above."""


def peel(value: bytes) -> list[Record]:
    """The records in one message: one for most, many for a batch.

    Never raises. A value that holds nothing readable gives one record with its ``reason``:
    ``empty``, ``compressed``, ``binary``, ``nested-too-deep`` or ``notice``. Bytes that are not
    UTF-8 are replaced by U+FFFD.
    """
    if not value:
        return [Record(reason="empty")]
    if value.startswith(_COMPRESSED):
        return [Record(reason="compressed")]
    if value[0] == 0x0A and (batch := otlp.from_protobuf(value)):
        return [peel_logged(logged, "otlp-proto") for logged in batch]
    text = _unpacked(value) if value[0] in _PACKED_MAPS else _decoded(value)
    if text is None:
        return [Record(reason="binary")]
    if _JSON.match(text):
        return _structured(text.strip("\ufeff"))
    return _lines(text)


def _unpacked(value: bytes) -> str | None:
    """A MessagePack map, Fluent Bit's other encoding, as JSON; None when it is other bytes.

    No text begins with a byte that begins a map.
    """
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(value)).decode()
    except (msgspec.MsgspecError, UnicodeError, TypeError, RecursionError):
        return None


def _decoded(value: bytes) -> str | None:
    """``value`` as text, None when it is no text in any encoding near UTF-8."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("utf-8", "replace")
        odd = text.count("�")
    else:
        if b"\x00" not in value:
            return text
        odd = 0
    odd += len(value) - len(value.translate(None, _CONTROLS))
    return text if odd <= _BINARY_SHARE * len(value) else None


def _structured(text: str) -> list[Record]:
    """Records of a text that begins like a JSON object or array."""
    try:
        content = read_json(text)
    except NotJsonError:
        return _lines(text)
    except TooDeepError:
        return [Record(reason="nested-too-deep")]
    if isinstance(content, list):
        return [_item(item) for item in content] or [Record(reason="empty")]
    document = content if isinstance(content, dict) else {}
    if otlp.is_json(document):
        batch = [peel_logged(logged, "otlp-json") for logged in otlp.from_json(document)]
        return batch or [Record(reason="empty")]
    return [peel_object(document)]


def _item(item: object) -> Record:
    """One element of a JSON array, in which some shippers' outputs send batches."""
    if isinstance(item, dict):
        return peel_object(item)
    return peel_text(item) if isinstance(item, str) else Record(reason="not-an-object")


def _lines(text: str) -> list[Record]:
    """One record, or one for each line when two of the lines or more begin as lines do."""
    if "\n" in text.strip("\r\n"):
        lines = [line for line in text.split("\n") if line and not line.isspace()]
        if sum(map(prefixes.begins, lines)) > 1:
            return [peel_text(line) for line in lines]
    return [peel_text(text)]
