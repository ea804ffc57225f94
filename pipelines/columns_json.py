"""Access log entries in JSON, and text lines in shippers' JSON, many at a time.

A typed decoder fills only the named fields and skips the rest of an object, so one bad object
costs no other (polars' own NDJSON reader fails the whole batch, and panics on some numbers).
Objects that say anything unusual are named as odd and read again, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter, itemgetter

import msgspec
import polars as pl
from msgspec import UNSET, UnsetType

from pipelines.columns_checks import (
    ADDRESSES,
    MAX_DURATION_MS,
    PROBE,
    STRINGS,
    not_elided,
    or_null,
    sound_addresses,
    sound_flags,
)
from pipelines.columns_plain import UNREADABLE, read_plain, read_shipped
from pipelines.formats.keys import ISTIO_KEYS
from pipelines.timestamps import read_times

Number = int | str | None
Text = str | None | UnsetType
_Object = dict[str, msgspec.Raw]
_NUMBERS = ("response_code", "bytes_received", "bytes_sent", "duration")


class _Entry(msgspec.Struct, gc=False):
    """The fields of Istio's JSON access log that the rollup needs; any order of keys."""

    start_time: str | None = None
    response_flags: str | None = None
    response_code: Number = None
    bytes_received: Number = None
    bytes_sent: Number = None
    duration: Number = None
    # Without one of these keys another may stand in its place, in a format of the mesh's own.
    user_agent: Text = UNSET
    response_code_details: Text = UNSET
    upstream_transport_failure_reason: Text = UNSET
    upstream_cluster: Text = UNSET
    authority: Text = UNSET
    requested_server_name: Text = UNSET
    downstream_local_address: Text = UNSET
    downstream_remote_address: Text = UNSET
    upstream_host: Text = UNSET


_ABSENT = msgspec.Raw()


class _Message(_Entry, gc=False, rename={"mark": "_p", "flag": "_partial", "pod": "podName"}):
    """An entry, or a shipper's envelope around a line; only what makes it unusual is added."""

    kubernetes: msgspec.Raw = msgspec.Raw()
    log: str | _Object | None = None
    message: str | _Object | None = None
    mark: str | None = None
    logtag: str | None = None
    flag: bool | None = None
    # Names that may stand for the writer when ``kubernetes`` is missing.
    pod: msgspec.Raw = _ABSENT
    pod_name: msgspec.Raw = _ABSENT
    resource: msgspec.Raw = _ABSENT
    file: msgspec.Raw = _ABSENT
    source: msgspec.Raw = _ABSENT
    tag: msgspec.Raw = _ABSENT


_MESSAGES = msgspec.json.Decoder(_Message)
_ENTRIES = msgspec.json.Decoder(_Entry)
_OBJECTS = msgspec.json.Decoder(_Object)
_FIRST = itemgetter(slice(0, 1))
_GETTERS = {name: attrgetter(name) for name in _Entry.__struct_fields__}
_OPTIONAL = ("user_agent", *STRINGS)
_BESIDE = frozenset(
    {"istio_policy_status", "kubernetes", "stream", "time", "@timestamp", "logtag", "_p"}
)
"""Other keys that may stand beside those of an entry, and mean no field of it."""


@dataclass(slots=True)
class _Found:
    """Entries on their way into columns: where each was, who wrote it, its own JSON."""

    entries: list[_Entry] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    texts: list[bytes | str] = field(default_factory=list)

    def add(self, row: int, key: bytes, text: bytes | str, entry: _Entry) -> None:
        self.entries.append(entry)
        self.rows.append(row)
        self.keys.append(key)
        self.texts.append(text)


@dataclass(slots=True)
class JsonRead:
    """What a batch of JSON messages holds, by the position of the message in it.

    ``keys`` are the bytes of each message's ``kubernetes`` object: equal bytes, equal writer.
    """

    entries: list[tuple[pl.DataFrame, list[bytes]]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    line_rows: list[int] = field(default_factory=list)
    line_keys: list[bytes] = field(default_factory=list)


def read_json(messages: Sequence[bytes]) -> JsonRead:
    """Read JSON messages, each of them one object."""
    read = JsonRead()
    frame, rows = read_plain(messages)
    if rows:
        table, _ = _sound(frame, rows)
        read.entries.append((table, []))
    else:
        rows = _read_shipped(messages, read)
    if len(rows) < len(messages):
        done = frozenset(rows)
        rest = [row for row in range(len(messages)) if row not in done]
        _read_others(messages, rest, read)
    return read


def _read_shipped(messages: Sequence[bytes], read: JsonRead) -> list[int]:
    """Take the lines out of envelopes unless one is JSON; the rows that are done with."""
    lines, keys, rows = read_shipped(messages)
    if len(lines) != len(rows) or b"{" in set(map(_FIRST, lines)):
        return []
    read.lines, read.line_keys, read.line_rows = lines, keys, rows
    return rows


def _read_others(messages: Sequence[bytes], rest: list[int], read: JsonRead) -> None:
    """Read the messages that are not of the commonest sorts."""
    rows, decoded = _decode(messages, rest)
    found = _Found()
    for row, message in zip(rows, decoded, strict=True):
        _sort(row, message, messages[row], found, read)
    if found.entries:
        read.entries.append(_table(found))


def _decode(messages: Sequence[bytes], rest: list[int]) -> tuple[list[int], list[_Message]]:
    """The messages that can be decoded, and where they stand."""
    rows, decoded = [], []
    for row in rest:
        try:
            decoded.append(_MESSAGES.decode(messages[row]))
        except UNREADABLE:
            continue
        rows.append(row)
    return rows, decoded


def _sort(row: int, message: _Message, raw: bytes, found: _Found, read: JsonRead) -> None:
    """Put a message to the entries or to the lines, or leave it out as odd."""
    key, log = bytes(message.kubernetes), message.log
    text = log if type(log) is str else message.message
    if text is None and log is None:
        if key or not _names_its_writer(message):
            found.add(row, key, raw, message)
    elif type(text) is str and key and message.start_time is None and not _is_piece(message):
        line = text.rstrip("\r\n")
        if line[:3] == "[20" and "\n" not in line:
            read.lines.append(line.encode(errors="replace"))
            read.line_rows.append(row)
            read.line_keys.append(key)
        elif line[:1] == "{" and (inner := _inner(text)) is not None:
            found.add(row, key, text, inner)


def _names_its_writer(message: _Message) -> bool:
    return not (
        message.pod is _ABSENT
        and message.pod_name is _ABSENT
        and message.resource is _ABSENT
        and message.file is _ABSENT
        and message.source is _ABSENT
        and message.tag is _ABSENT
    )


def _is_piece(message: _Message) -> bool:
    tag = message.mark or message.logtag
    return message.flag is True or (tag is not None and tag.startswith("P"))


def _inner(text: str) -> _Entry | None:
    try:
        return _ENTRIES.decode(text)
    except UNREADABLE:
        return None


def _table(found: _Found) -> tuple[pl.DataFrame, list[bytes]]:
    """The entries that are sound as a frame of ``TABLE`` and ``row``, and their keys."""
    try:
        frame = _frame(found.entries)
    except ValueError:  # polars refuses UNSET
        found = _complete(found)
        frame = _frame(found.entries)
    table, sound = _sound(frame, found.rows)
    return table, [key for key, kept in zip(found.keys, sound, strict=True) if kept]


def _sound(frame: pl.DataFrame, rows: list[int]) -> tuple[pl.DataFrame, pl.Series]:
    """The rows of ``frame`` that are sound, as of ``TABLE`` and ``row``, and which those are."""
    micros, timed = read_times(frame["start_time"])
    checks = [
        pl.lit(pl.Series(timed)),
        pl.col("response_code").is_between(0, 999),
        pl.col("duration").is_between(0, MAX_DURATION_MS),
        pl.col("bytes_sent") >= 0,
        pl.col("bytes_received") >= 0,
        sound_flags(frame["response_flags"]),
        *sound_addresses(frame, ADDRESSES),
        not_elided(),
    ]
    end = pl.lit(pl.Series(micros)) + pl.col("duration") * 1000
    table = frame.select(
        end.cast(pl.Datetime("us", "UTC")).alias("time"),
        pl.col("response_code").cast(pl.Int32, strict=False),
        "response_flags",
        "bytes_sent",
        *map(or_null, STRINGS),
        pl.col("user_agent").str.starts_with(PROBE).fill_null(value=False).alias("probe"),
        pl.Series("row", rows, pl.UInt32),
        pl.all_horizontal(checks).fill_null(value=False).alias("sound"),
    )
    sound = table["sound"]
    return (table if sound.all() else table.filter(sound)).drop("sound"), sound


def _frame(entries: list[_Entry]) -> pl.DataFrame:
    columns = {name: list(map(get, entries)) for name, get in _GETTERS.items()}
    return pl.DataFrame(
        [
            _numbers(name, values) if name in _NUMBERS else pl.Series(name, values, pl.String)
            for name, values in columns.items()
        ]
    )


def _numbers(name: str, values: list[Number]) -> pl.Series:
    """A column of integers; Istio before 1.8 wrote them as text. What is no number is null."""
    try:
        return pl.Series(name, values, pl.Int64)
    except (TypeError, OverflowError):
        texts = [None if value is None else str(value) for value in values]
        plain = pl.Series(name, texts, pl.String).str.extract(r"^(\d{1,19})$")
        return plain.cast(pl.Int64, strict=False)


def _complete(found: _Found) -> _Found:
    """The entries whose missing keys are really not there, and with null in their place."""
    kept = _Found()
    for row, key, text, entry in zip(
        found.rows, found.keys, found.texts, found.entries, strict=True
    ):
        missing = [name for name in _OPTIONAL if getattr(entry, name) is UNSET]
        if missing:
            if not _is_default(_keys(text)):
                continue
            for name in missing:
                setattr(entry, name, None)
        kept.add(row, key, text, entry)
    return kept


def _keys(text: bytes | str) -> frozenset[str]:
    try:
        return frozenset(_OBJECTS.decode(text))
    except UNREADABLE:
        return frozenset()


@lru_cache(maxsize=4096)
def _is_default(keys: frozenset[str]) -> bool:
    """Whether no key of a document may be another name of one of the fields."""
    return bool(keys) and all(key in ISTIO_KEYS or key in _BESIDE for key in keys)
