"""Access log text lines as whole columns: one CSV pass per layout instead of a regex per line.

Every default layout is a list of tokens between single spaces, some of them quoted. A CSV
reader splits such lines an order of magnitude faster than a pattern, but it trusts them: so a
row counts only when its number of tokens, its number of quotes, its numbers and its time are
what the layout says. All other rows are named as odd and read again, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.columns_checks import (
    ADDRESSES,
    MAX_DURATION_MS,
    MAX_LINE,
    PROBE,
    STRINGS,
    not_elided,
    or_null,
    sound_addresses,
    sound_flags,
)
from pipelines.formats.values import is_address_list
from pipelines.timestamps import read_times

Rows = npt.NDArray[np.uint32]

_QUOTE = ord('"')
_BLOCK = 256
_WORTHWHILE = 16
"""Fewer lines than this, left over by a layout, are read sooner one by one."""


_WANTED = {
    "start_time",
    "response_code",
    "response_flags",
    "bytes_received",
    "bytes_sent",
    "duration_ms",
    "upstream_service_time_ms",
    "user_agent",
    *STRINGS,
}
_NUMBERS = ("bytes_received", "bytes_sent", "duration_ms")
_BARE = (
    "response_code_details",
    "upstream_cluster",
    "downstream_local_address",
    "downstream_remote_address",
    "requested_server_name",
)
"""Texts without quotes: never empty, so that a lost token shows."""

_QUOTED = ("upstream_transport_failure_reason", "user_agent", "authority", "upstream_host")

_UNUSUAL = (b"\\", b"\x1b")
"""Escapes and colours: signs that a line was handled on its way."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A default layout: its fields, token by token, and the quotes that every line has."""

    name: str
    quotes: int
    columns: tuple[str, ...]
    """The fields, and one more that must stay empty."""

    @property
    def places(self) -> frozenset[str]:
        """The fields it has."""
        return frozenset(self.columns[:-1])

    @property
    def last(self) -> str:
        """The field that is there only if all tokens are; never empty."""
        return self.columns[-2]

    @property
    def beyond(self) -> str:
        """Filled when there are more tokens than fields."""
        return self.columns[-1]

    @property
    def kept(self) -> frozenset[str]:
        """The columns to read at all: each costs time."""
        return frozenset({*_WANTED, *self.extra, self.last, self.beyond})

    @property
    def extra(self) -> tuple[str, ...]:
        """Envoy's own layout is short; other formats resemble it, but for this header."""
        return () if "upstream_cluster" in self.places else ("x_forwarded_for",)


def _layout(name: str, fields: str, quotes: int) -> Layout:
    return Layout(name, quotes, (*fields.split(), "beyond"))


_HEAD = "start_time request response_code response_flags "
_TAIL = (
    " bytes_received bytes_sent duration_ms upstream_service_time_ms x_forwarded_for user_agent"
    " request_id authority upstream_host"
)
_ADDRESSES = (
    " upstream_cluster upstream_local_address downstream_local_address"
    " downstream_remote_address requested_server_name"
)
_REASON = "upstream_transport_failure_reason"

# Istio's default text layouts: 1.9 and later; 1.8; 1.3-1.7; 1.2; 1.1; and Envoy's own default.
LAYOUTS = (
    _layout(
        "istio-text-1.9",
        f"{_HEAD}response_code_details connection_termination_details {_REASON}"
        f"{_TAIL}{_ADDRESSES} route_name",
        14,
    ),
    _layout("istio-text-1.8", f"{_HEAD}{_REASON}{_TAIL}{_ADDRESSES} route_name", 14),
    _layout("istio-text-1.3", f"{_HEAD}mixer_status {_REASON}{_TAIL}{_ADDRESSES} route_name", 16),
    _layout("istio-text-1.2", f"{_HEAD}mixer_status {_REASON}{_TAIL}{_ADDRESSES}", 16),
    _layout("istio-text-1.1", f"{_HEAD}mixer_status{_TAIL}{_ADDRESSES}", 14),
    _layout("envoy-text", f"{_HEAD}{_TAIL}", 12),
)


def read_text(
    lines: Sequence[bytes], body: bytes | None = None
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Read text access log lines; none of them may hold a line break.

    Args:
        lines: the lines.
        body: the same lines joined by line feeds, when the caller has them so.

    Yields:
        Each layout that some lines have beyond doubt, and their entries: a frame of ``TABLE``
        plus ``row``, the line's position in ``lines``.
    """
    body = b"\n".join(lines) if body is None else body
    quotes = _quotes(lines, body)
    unusual = _unusual(body, lines)
    left = np.ones(len(lines), np.bool_)
    left[unusual] = False
    whole = not unusual
    for layout in LAYOUTS:
        rows = np.flatnonzero(left & (quotes == layout.quotes)).astype(np.uint32)
        if len(rows) < (1 if whole else _WORTHWHILE):
            continue
        picked = [lines[row] for row in rows.tolist()] if len(rows) < len(lines) else lines
        table = _split(body if picked is lines else b"\n".join(picked), rows, layout)
        if table is None:
            exact = np.array([line.count(b'"') == layout.quotes for line in picked], np.bool_)
            rows, picked = rows[exact], list(compress(picked, exact))
            table = _split(b"\n".join(picked), rows, layout)
        if table is not None and len(table):
            left[table["row"].to_numpy()] = whole = False
            yield layout.name, table
        if not left.any():
            return


def _quotes(lines: Sequence[bytes], body: bytes) -> npt.NDArray[np.int64]:
    """How many quotes each line has, as far as a look at blocks of lines tells.

    A block whose quotes are as many as the first line's times its lines is believed. Should
    an odd number be hidden there, then the reader finds fewer lines than there are, and they
    are counted one by one; an even number can stand only in a field that the rollup ignores.
    """
    first = lines[0].count(b'"') if lines else 0
    counts = np.full(len(lines), first, np.int64)
    ends = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)) + 1)
    quotes = np.frombuffer(body, np.uint8) == _QUOTE
    begin = 0
    for start in range(0, len(lines), _BLOCK):
        stop = min(start + _BLOCK, len(lines))
        end = int(ends[stop - 1])
        if np.count_nonzero(quotes[begin:end]) != first * (stop - start):
            counts[start:stop] = [line.count(b'"') for line in lines[start:stop]]
        begin = end
    return counts


def _unusual(body: bytes, lines: Sequence[bytes]) -> list[int]:
    """Which lines are no UTF-8, too long, or bear signs of handling."""
    clean = body.isascii() and not any(sign in body for sign in _UNUSUAL)
    if clean and max(map(len, lines), default=0) <= MAX_LINE:
        return []
    return [row for row, line in enumerate(lines) if not _is_usual(line)]


def _is_usual(line: bytes) -> bool:
    if len(line) > MAX_LINE or any(sign in line for sign in _UNUSUAL):
        return False
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _split(body: bytes, rows: Rows, layout: Layout) -> pl.DataFrame | None:
    """The rows of ``body`` that fit; None when rows and lines do not match one to one."""
    tokens = _tokens(body, layout)
    if tokens is None or len(tokens) != len(rows):
        return None
    micros, timed = read_times(tokens["start_time"], before=1, after=1)
    read = tokens.with_columns(
        pl.col("response_code", *_NUMBERS).cast(pl.Int64, strict=False),
        pl.Series("row", rows),
        pl.Series("start", micros),
        pl.Series("timed", timed),
    )
    checks = [*_checks_of_text(tokens, layout), *_checks_of_numbers(), pl.col("timed")]
    sound = read.select(pl.all_horizontal(checks)).to_series()
    if not sound.all(ignore_nulls=False):
        read = read.filter(sound.fill_null(value=False))
    end = pl.col("start") + pl.col("duration_ms") * 1000
    return read.select(
        end.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("time"),
        pl.col("response_code").cast(pl.Int32),
        "response_flags",
        "bytes_sent",
        *(
            or_null(name) if name in layout.places else pl.lit(None, pl.String).alias(name)
            for name in STRINGS
        ),
        pl.col("user_agent").str.starts_with(PROBE).alias("probe"),
        "row",
    )


def _checks_of_numbers() -> list[pl.Expr]:
    return [
        pl.col("response_code").is_between(0, 999),
        pl.col("duration_ms").is_between(0, MAX_DURATION_MS),
        pl.col("bytes_sent") >= 0,
        pl.col("bytes_received") >= 0,
    ]


def _checks_of_text(tokens: pl.DataFrame, layout: Layout) -> Iterator[pl.Expr]:
    """Whether all tokens are there, and are what their places demand."""
    present = [name for name in layout.columns if name in tokens.columns]
    yield pl.col(layout.last).is_not_null()
    yield pl.col(layout.beyond).is_null()
    yield pl.lit(tokens["response_code"].str.len_bytes() <= 3)
    for name in ("response_code", *_NUMBERS):
        yield pl.lit(tokens[name] >= "0")  # polars reads a sign, Envoy prints none
    took = pl.col("upstream_service_time_ms")
    yield (took == "-") | took.cast(pl.Int64, strict=False).is_not_null()
    yield sound_flags(tokens["response_flags"])
    yield from sound_addresses(tokens.select(name for name in ADDRESSES if name in present))
    if "upstream_cluster" in present:
        yield not_elided()
    yield from (pl.col(name).is_not_null() for name in _BARE if name in present)
    # Where a quote is left over, another token lacks its own.
    quoted = (name for name in _QUOTED if name in present)
    yield from (~pl.col(name).str.contains('"', literal=True) for name in quoted)
    if layout.extra:
        forwarded = tokens["x_forwarded_for"].unique()
        listed = [text for text in forwarded if text is not None and is_address_list(text)]
        yield pl.col("x_forwarded_for").is_in(listed)


def _tokens(body: bytes, layout: Layout) -> pl.DataFrame | None:
    """The wanted tokens of every line by field name; None when the reader balks."""
    columns = layout.columns
    # A first line of the right width: the reader takes the number of columns from it.
    sentinel = b" ".join([b"-"] * len(columns)) + b"\n"
    source = pl.scan_csv(
        sentinel + body,
        separator=" ",
        has_header=False,
        schema=dict.fromkeys(columns, pl.String),
        truncate_ragged_lines=True,
    )
    try:
        return source.select(c for c in columns if c in layout.kept).collect().slice(1)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
