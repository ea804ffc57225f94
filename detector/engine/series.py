"""Rollup frames as integer-coded buckets.

Encoding knows nothing of baselines: the ids in a `Bucket` count through the names of its own
`Codebook`, and the engine maps them to rows once per codebook. So a frame may hold one bucket or
a day of them, and any split of the input gives the same buckets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from detector.engine.callers import Caller, by_bucket
from detector.types import Series
from models.contract import Floats, Ints
from pipelines.normalise import signal_expr

UNKNOWN = "unknown"
"""Destination of what matched no service: scanners, mostly."""

SILENT = "silent"
"""Signal of a service that nobody is heard to call any more; its errors are missing requests."""

CONTROL_SIGNALS = frozenset({"NR", "NC", "UH", "UF", "UPE", "URX", "503"})
"""What reconciliation leaves behind; the signals of prototype and signature catalogue."""

CLIENT_SIGNALS = frozenset({"400", "401", "403", "404", "429", "DC"})
"""What callers bring about by themselves."""

MAX_GAP = 360
"""Silent buckets that are stepped through one by one; a longer silence is jumped over."""


class Edge(NamedTuple):
    """Who called whom, seen by which side."""

    reporter: str
    source: str
    destination: str


@dataclass(slots=True)
class Codebook:
    """The names behind the ids of the buckets of one frame.

    ``edge_rows`` and ``series_rows`` are the engine's notes: the row of each id as of the bank's
    ``generation``, 0 where there is none.
    """

    edges: list[Edge]
    series: list[tuple[int, str]]  # edge id, signal
    edge_rows: Ints = field(init=False)
    series_rows: Ints = field(init=False)
    generation: int = -1

    def __post_init__(self) -> None:
        """Start without notes."""
        self.forget(self.generation)

    def forget(self, generation: int) -> None:
        """Drop the notes: rows have changed hands."""
        self.edge_rows = np.zeros(len(self.edges), dtype=np.int64)
        self.series_rows = np.zeros(len(self.series), dtype=np.int64)
        self.generation = generation


@dataclass(frozen=True, slots=True)
class Bucket:
    """Counts of one slice of event time; ids in ascending order of their names."""

    start: datetime
    book: Codebook
    edges: Ints  # edge ids with traffic
    requests: Floats
    series: Ints  # series ids with errors
    errors: Floats
    callers: Sequence[Caller] = ()  # who told of errors of reconciliation


_EDGE = ["reporter", "source", "destination"]


def encode(rollup: pl.DataFrame, bucket: timedelta) -> Iterator[Bucket]:
    """Split a ROLLUP frame into its buckets, oldest first; silent buckets between them are empty.

    Rows of one bucket may come in any order and in parts; times are cut down to bucket starts.
    """
    counts = rollup.lazy().select(
        pl.col("time").dt.truncate(f"{bucket // timedelta(microseconds=1)}us"),
        pl.col("reporter").fill_null("source"),
        pl.col("source").fill_null(UNKNOWN),
        pl.col("destination").fill_null(UNKNOWN),
        pl.col("count").clip(0),
        code=pl.col("response_code").fill_null(0),
        flags=pl.col("response_flags").fill_null("-"),
    )
    per_outcome = (
        counts.group_by("time", *_EDGE, "code", "flags")
        .agg(pl.col("count").sum())
        .filter(pl.col("count") > 0, pl.col("time").is_not_null())
        .collect()
    )
    # few outcomes, many rows: each outcome is read once
    outcomes = per_outcome.select("code", "flags").unique()
    signals = outcomes.with_columns(signal=signal_expr(pl.col("code"), pl.col("flags")))
    per_signal = per_outcome.join(signals, on=["code", "flags"]).drop("code", "flags")
    names = per_signal.select(_EDGE).unique().sort(_EDGE).with_row_index("edge")
    coded = per_signal.join(names, on=_EDGE).drop(_EDGE)
    kinds = (
        coded.select("edge", "signal")
        .drop_nulls()
        .unique()
        .sort("edge", "signal")
        .with_row_index("series")
    )
    book = Codebook(
        [Edge(*row) for row in names.select(_EDGE).iter_rows()],
        list(kinds.select("edge", "signal").iter_rows()),
    )
    traffic = coded.group_by("time", "edge").agg(pl.col("count").sum()).sort("time", "edge")
    failed = (
        coded.join(kinds, on=["edge", "signal"])
        .group_by("time", "series")
        .agg(pl.col("count").sum())
        .sort("time", "series")
    )
    return _split(book, traffic, failed, by_bucket(rollup, bucket), bucket)


def _split(
    book: Codebook,
    traffic: pl.DataFrame,
    failed: pl.DataFrame,
    callers: Mapping[datetime, list[Caller]],
    step: timedelta,
) -> Iterator[Bucket]:
    starts = traffic["time"].unique().sort()
    ids = traffic["edge"].to_numpy().astype(np.int64)
    requests = traffic["count"].to_numpy().astype(np.float64)
    series = failed["series"].to_numpy().astype(np.int64)
    errors = failed["count"].to_numpy().astype(np.float64)
    bounds = traffic["time"].search_sorted(starts, side="left").to_list()
    cuts = failed["time"].search_sorted(starts, side="left").to_list()
    last: datetime | None = None
    for i, start in enumerate(starts):
        if last is not None:
            yield from gap(last, start, step)
        last = start
        here = slice(bounds[i], bounds[i + 1] if i + 1 < len(bounds) else ids.size)
        bad = slice(cuts[i], cuts[i + 1] if i + 1 < len(cuts) else series.size)
        told = callers.get(start, ())
        yield Bucket(start, book, ids[here], requests[here], series[bad], errors[bad], told)


def gap(last: datetime, start: datetime, step: timedelta) -> Iterator[Bucket]:
    """Empty buckets between the bucket ``last`` and the bucket ``start``; none if too many."""
    missing = (start - last) // step - 1
    if missing > MAX_GAP:
        return
    for i in range(missing):
        yield empty(last + (i + 1) * step)


def empty(start: datetime) -> Bucket:
    """A bucket in which nobody said anything."""
    nobody, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Bucket(start, Codebook([], []), nobody, nothing, nobody, nothing)


def as_series(edge: Edge, signal: str) -> Series:
    """The series of ``signal`` on ``edge``."""
    return Series(*edge, signal)
