"""The two commonest JSON messages, decoded so strictly that nothing is left to look at.

A decoder that demands every key, and refuses the keys that would change the meaning of others,
says in one step that a message is ordinary. What it refuses is no error: a patient reader is next.
Structs are decoded a few at a time, so that they are still in the cache when they are emptied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
import polars as pl
from msgspec import UNSET, UnsetType

from pipelines.columns_checks import MAX_DURATION_MS

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)

_CHUNK = 512
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Plain(msgspec.Struct, gc=False, rename={"pod": "podName"}):
    """An entry as Istio prints it since 1.9, without an envelope."""

    start_time: str
    response_flags: str
    response_code: Annotated[int, msgspec.Meta(ge=0, le=999)]
    bytes_received: _Count
    bytes_sent: _Count
    duration: Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION_MS)]
    user_agent: str | None
    response_code_details: str | None
    upstream_transport_failure_reason: str | None
    upstream_cluster: str | None
    authority: str | None
    requested_server_name: str | None
    downstream_local_address: str | None
    downstream_remote_address: str | None
    upstream_host: str | None
    kubernetes: UnsetType = UNSET
    log: UnsetType = UNSET
    message: UnsetType = UNSET
    pod: UnsetType = UNSET
    pod_name: UnsetType = UNSET
    resource: UnsetType = UNSET
    file: UnsetType = UNSET
    source: UnsetType = UNSET
    tag: UnsetType = UNSET


class _Shipped(msgspec.Struct, gc=False, rename={"mark": "_p", "flag": "_partial"}):
    """A whole line as Fluent Bit and Fluentd ship it from Kubernetes."""

    log: str
    kubernetes: msgspec.Raw
    mark: Literal["F"] | None = None
    logtag: Literal["F"] | None = None
    flag: None = None
    message: UnsetType = UNSET
    start_time: UnsetType = UNSET
    response_flags: UnsetType = UNSET
    response_code: UnsetType = UNSET
    duration: UnsetType = UNSET


_FIELDS = tuple(
    name for name, kind in _Plain.__annotations__.items() if kind not in ("UnsetType", UnsetType)
)
_GET_LOG, _GET_KUBERNETES = attrgetter("log"), attrgetter("kubernetes")
_decode_plain = msgspec.json.Decoder(_Plain).decode
_decode_shipped = msgspec.json.Decoder(_Shipped).decode


def read_plain(messages: Sequence[bytes]) -> tuple[pl.DataFrame, list[int]]:
    """The entries among ``messages``, field by field, and the rows of the messages they are."""
    columns: dict[str, list[Any]] = {name: [] for name in _FIELDS}
    getters = [(columns[name].extend, attrgetter(name)) for name in _FIELDS]
    rows: list[int] = []
    for decoded, where in _decoded(_decode_plain, messages):
        rows += where
        for extend, get in getters:
            extend(map(get, decoded))
    types = {name: pl.Int64 if _is_number(name) else pl.String for name in _FIELDS}
    return pl.DataFrame([pl.Series(n, columns[n], types[n]) for n in _FIELDS]), rows


def read_shipped(messages: Sequence[bytes]) -> tuple[list[bytes], list[bytes], list[int]]:
    """The lines among ``messages``, each with its ``kubernetes`` object, and their rows.

    More lines than rows mean that a line break stands inside one.
    """
    lines: list[bytes] = []
    keys: list[bytes] = []
    rows: list[int] = []
    same: dict[bytes, bytes] = {}  # one object for equal keys: hashed and compared once
    for decoded, where in _decoded(_decode_shipped, messages):
        rows += where
        logs = list(map(_GET_LOG, decoded))
        text = "\n".join(logs)
        if "\r" in text or text.count("\n") >= len(logs):
            text = "\n".join([log.rstrip("\r\n") for log in logs])
        lines += text.encode(errors="replace").split(b"\n")
        written = list(map(bytes, map(_GET_KUBERNETES, decoded)))
        keys += map(same.setdefault, written, written)
    return lines, keys, rows


def _is_number(name: str) -> bool:
    return name in ("response_code", "bytes_received", "bytes_sent", "duration")


def _decoded(
    decode: Callable[[bytes], msgspec.Struct], messages: Sequence[bytes]
) -> Iterator[tuple[list[msgspec.Struct], Sequence[int]]]:
    """What can be decoded and from which rows; nothing when the first message cannot be.

    The others will be of the same sort as the first.
    """
    if not messages or _one(decode, messages[0]) is None:
        return
    for start in range(0, len(messages), _CHUNK):
        part = messages[start : start + _CHUNK]
        try:
            yield list(map(decode, part)), range(start, start + len(part))
        except UNREADABLE:
            tried = [_one(decode, raw) for raw in part]
            rows = [row for row, one in enumerate(tried, start) if one is not None]
            if rows:
                yield [one for one in tried if one is not None], rows


def _one(decode: Callable[[bytes], msgspec.Struct], raw: bytes) -> msgspec.Struct | None:
    try:
        return decode(raw)
    except UNREADABLE:
        return None
