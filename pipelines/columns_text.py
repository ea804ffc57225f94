"""Access log text lines as whole columns: one CSV pass per layout instead of a regex per line.

Every default layout is a list of tokens between single spaces, some of them quoted. A CSV
reader splits such lines an order of magnitude faster than a pattern, but it trusts them: so a
row counts only when its number of tokens, its number of quotes, its numbers and its time are
what the layout says. All other rows are named as odd and read again, one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

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
from pipelines.columns_layouts import LAYOUTS, Layout
from pipelines.formats.values import is_address_list
from pipelines.timestamps import read_times

Rows = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.int64]

_QUOTE = ord('"')
_BLOCK = 256
_MOST = 0.75
"""A share of the lines that is worth splitting all of them for."""

_WORTHWHILE = 16
"""Fewer lines than this, left over by a layout, are read sooner one by one."""


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

_UNUSUAL = (b"\\", b"\x1b", b"~~", b"**", b"`", b"<")
"""Escapes, colours and markup: signs that a line was handled on its way."""

_FIRST = tuple({sign[:1] for sign in _UNUSUAL})  # single bytes are found much faster


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
    lengths = np.fromiter(map(len, lines), np.int64, len(lines))
    quotes = _quotes(lines, lengths, body)
    unusual = _unusual(lines, lengths, body)
    left = np.ones(len(lines), np.bool_)
    left[unusual] = False
    paired = not (quotes % 2).any()
    whole = not unusual
    for layout in LAYOUTS:
        fits = left & (quotes == layout.quotes)
        rows = np.flatnonzero(fits).astype(np.uint32)
        if len(rows) < (1 if whole else _WORTHWHILE):
            continue
        # Picking lines costs more than reading a few that do not count.
        table = None
        if paired and len(rows) > _MOST * len(lines):
            table = _split(body, np.arange(len(lines), dtype=np.uint32), layout, fits)
        elif len(rows) < len(lines):
            table = _split(_pick(lines, rows), rows, layout)
        if table is None:
            rows = rows[[lines[row].count(b'"') == layout.quotes for row in rows.tolist()]]
            table = _split(_pick(lines, rows), rows, layout)
        if table is not None and len(table):
            left[table["row"].to_numpy()] = whole = False
            yield layout.name, table
        if not left.any():
            return


def _pick(lines: Sequence[bytes], rows: Rows) -> bytes:
    return b"\n".join([lines[row] for row in rows.tolist()])


def _quotes(lines: Sequence[bytes], lengths: Lengths, body: bytes) -> Lengths:
    """How many quotes each line has, as far as a look at many lines together tells.

    Lines whose quotes are as many as the first line's times their number are believed. Should
    an odd number be hidden there, then the reader finds fewer lines than there are, and they
    are counted one by one; an even number can stand only in a field that the rollup ignores.
    """
    first = lines[0].count(b'"') if lines else 0
    counts = np.full(len(lines), first, np.int64)
    quotes = np.frombuffer(body, np.uint8) == _QUOTE
    if np.count_nonzero(quotes) == first * len(lines):
        return counts
    ends = np.cumsum(lengths + 1)
    begin = 0
    for start in range(0, len(lines), _BLOCK):
        stop = min(start + _BLOCK, len(lines))
        end = int(ends[stop - 1])
        if np.count_nonzero(quotes[begin:end]) != first * (stop - start):
            counts[start:stop] = [line.count(b'"') for line in lines[start:stop]]
        begin = end
    return counts


def _unusual(lines: Sequence[bytes], lengths: Lengths, body: bytes) -> list[int]:
    """Which lines are no UTF-8, too long, or bear signs of handling."""
    clean = body.isascii() and not any(byte in body for byte in _FIRST)
    if clean and not (lengths > MAX_LINE).any():
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


def _split(
    body: bytes, rows: Rows, layout: Layout, fits: npt.NDArray[np.bool_] | None = None
) -> pl.DataFrame | None:
    """The rows of ``body`` that fit; None when rows and lines do not match one to one."""
    tokens = _tokens(body, layout)
    if tokens is None or len(tokens) != len(rows):
        return None
    micros, timed = read_times(tokens["start_time"], before=1, after=1)
    sound = timed if fits is None else timed & fits
    checks = [*_checks(layout), sound_flags(tokens["response_flags"])]
    checks += sound_addresses(tokens, [name for name in ADDRESSES if name in layout.places])
    if layout.extra:
        forwarded = tokens["x_forwarded_for"].unique()
        listed = [text for text in forwarded if text is not None and is_address_list(text)]
        checks.append(pl.col("x_forwarded_for").is_in(listed))
    if not sound.all():
        checks.append(pl.lit(pl.Series(sound)))
    end = pl.lit(pl.Series(micros)) + _number("duration_ms") * 1000
    table = tokens.select(
        end.cast(pl.Datetime("us", "UTC")).alias("time"),
        _number("response_code").cast(pl.Int32, strict=False),
        "response_flags",
        _number("bytes_sent"),
        *(
            or_null(name) if name in layout.places else pl.lit(None, pl.String).alias(name)
            for name in STRINGS
        ),
        pl.col("user_agent").str.starts_with(PROBE).alias("probe"),
        pl.lit(pl.Series("row", rows)),
        pl.all_horizontal(checks).fill_null(value=False).alias("sound"),
    )
    return table.drop("sound") if table["sound"].all() else table.filter("sound").drop("sound")


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


@cache
def _checks(layout: Layout) -> tuple[pl.Expr, ...]:
    """Whether all tokens are there, and are what their places demand."""

    def present(names: Iterable[str]) -> list[str]:
        return [name for name in names if name in layout.places]

    numbers = pl.col("response_code", *_NUMBERS)
    took = pl.col("upstream_service_time_ms")
    checks = [
        pl.col(layout.last).is_not_null(),
        pl.col(layout.beyond).is_null(),
        pl.col("response_code").str.len_bytes() <= 3,
        numbers >= "0",  # polars reads a sign, Envoy prints none
        numbers.cast(pl.Int64, strict=False).is_not_null(),
        _number("duration_ms") <= MAX_DURATION_MS,
        (took == "-") | took.cast(pl.Int64, strict=False).is_not_null(),
        # Where a quote is left over, another token lacks its own.
        *(~pl.col(name).str.contains('"', literal=True) for name in present(_QUOTED)),
    ]
    if bare := present(_BARE):
        checks += [pl.col(bare).is_not_null(), not_elided()]
    return tuple(checks)


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
