"""Access log entries in JSON, and text lines in shippers' JSON, many at a time.

A typed decoder fills only the named fields and skips the rest of an object, so one bad object
costs no other (polars' own NDJSON reader fails the whole batch, and panics on some numbers).
Objects that say anything unusual are named as odd and read again, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import polars as pl

from pipelines.columns_text import MAX_DURATION_MS, PROBE, STRINGS, TABLE, Rows
from pipelines.timestamps import read_times

Number = int | str | None
_Object = dict[str, msgspec.Raw]
_NUMBERS = ("response_code", "bytes_received", "bytes_sent", "duration")


class _Entry(msgspec.Struct, gc=False):
    """The fields of Istio's JSON access log that the rollup needs; any order of keys."""

    start_time: str | None = None
    response_flags: str | None = None
    user_agent: str | None = None
    response_code: Number = None
    bytes_received: Number = None
    bytes_sent: Number = None
    duration: Number = None
    response_code_details: str | None = None
    upstream_transport_failure_reason: str | None = None
    upstream_cluster: str | None = None
    authority: str | None = None
    requested_server_name: str | None = None
    downstream_local_address: str | None = None
    downstream_remote_address: str | None = None
    upstream_host: str | None = None


class _Message(_Entry, gc=False, rename={"mark": "_p", "flag": "_partial", "pod": "podName"}):
    """An entry, or a shipper's envelope around a line; only what makes it unusual is added."""

    kubernetes: msgspec.Raw = msgspec.Raw()
    log: str | _Object | None = None
    message: str | _Object | None = None
    mark: str | None = None
    logtag: str | None = None
    flag: bool | None = None
    # Names that may stand for the writer when ``kubernetes`` is missing.
    pod: msgspec.Raw = msgspec.Raw()
    pod_name: msgspec.Raw = msgspec.Raw()
    resource: msgspec.Raw = msgspec.Raw()
    file: msgspec.Raw = msgspec.Raw()
    source: msgspec.Raw = msgspec.Raw()
    tag: msgspec.Raw = msgspec.Raw()


_MESSAGES = msgspec.json.Decoder(_Message)
_ENTRIES = msgspec.json.Decoder(_Entry)
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass(slots=True)
class JsonRead:
    """What a batch of JSON messages holds, by the position of the message in it.

    ``keys`` are the bytes of each message's ``kubernetes`` object: equal bytes, equal writer.
    """

    entries: pl.DataFrame
    entry_keys: list[bytes]
    lines: list[bytes] = field(default_factory=list)
    line_rows: list[int] = field(default_factory=list)
    line_keys: list[bytes] = field(default_factory=list)


def read_json(messages: Sequence[bytes]) -> JsonRead:
    """Read JSON messages, each of them one object."""
    rows: list[int] = []
    keys: list[bytes] = []
    entries: list[_Entry] = []
    found = JsonRead(pl.DataFrame(), keys)
    decode = _MESSAGES.decode
    for row, raw in enumerate(messages):
        try:
            message = decode(raw)
        except _UNREADABLE:
            continue
        key = bytes(message.kubernetes)
        log = message.log
        text = log if type(log) is str else message.message
        if text is None and log is None:
            if key or not _names_its_writer(message):
                rows.append(row)
                keys.append(key)
                entries.append(message)
        elif type(text) is str and key and message.start_time is None and not _is_piece(message):
            if text[:3] == "[20":
                found.lines.append(text.rstrip("\r\n").encode(errors="replace"))
                found.line_rows.append(row)
                found.line_keys.append(key)
            elif text[:1] == "{" and (inner := _inner(text)) is not None:
                rows.append(row)
                keys.append(key)
                entries.append(inner)
    found.entries, kept = _table(entries, np.array(rows, np.uint32))
    found.entry_keys = [key for key, keep in zip(keys, kept, strict=True) if keep]
    return found


def _names_its_writer(message: _Message) -> bool:
    spellings = (
        message.pod,
        message.pod_name,
        message.resource,
        message.file,
        message.source,
        message.tag,
    )
    return any(map(bytes, spellings))


def _is_piece(message: _Message) -> bool:
    tag = message.mark or message.logtag
    return message.flag is True or (tag is not None and tag.startswith("P"))


def _inner(text: str) -> _Entry | None:
    try:
        return _ENTRIES.decode(text)
    except _UNREADABLE:
        return None


def _table(entries: list[_Entry], rows: Rows) -> tuple[pl.DataFrame, list[bool]]:
    """The entries that are sound as a frame of ``TABLE`` and ``row``; which ones those are."""
    if not entries:
        return pl.DataFrame(schema={**TABLE, "row": pl.UInt32}), []
    columns = dict(
        zip(
            _Entry.__struct_fields__,
            zip(*map(msgspec.structs.astuple, entries), strict=True),
            strict=False,  # messages carry more fields behind the entry's
        )
    )
    frame = pl.DataFrame(
        [_numbers(name, columns[name]) for name in _NUMBERS]
        + [
            pl.Series(name, columns[name], pl.String)
            for name in ("start_time", "response_flags", "user_agent", *STRINGS)
        ]
    )
    micros, timed = read_times(frame["start_time"])
    sound = (
        frame.select(
            pl.lit(pl.Series(timed))
            & pl.col("response_code").is_between(0, 999)
            & pl.col("duration").is_between(0, MAX_DURATION_MS)
            & (pl.col("bytes_sent") >= 0)
            & (pl.col("bytes_received") >= 0)
            & pl.col("response_flags").is_not_null()
        )
        .to_series()
        .fill_null(value=False)
    )
    table = (
        frame.with_columns(
            pl.Series("row", rows),
            (pl.lit(pl.Series(micros)) + pl.col("duration") * 1000)
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC")
            .alias("time"),
            pl.col("response_code").cast(pl.Int32, strict=False),
            *(pl.when(pl.col(name) != "-").then(name) for name in STRINGS),
            pl.col("user_agent").str.starts_with(PROBE).fill_null(value=False).alias("probe"),
        )
        .filter(sound)
        .select(*TABLE, "row")
    )
    return table, sound.to_list()


def _numbers(name: str, values: tuple[Number, ...]) -> pl.Series:
    """A column of integers; Istio before 1.8 wrote them as text. What is no number is null."""
    try:
        return pl.Series(name, values, pl.Int64)
    except (TypeError, OverflowError):
        return pl.Series(name, [None if v is None else str(v) for v in values]).cast(
            pl.Int64, strict=False
        )
