"""What the engine remembers of single buckets: errors of hours, sums of minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from detector.engine.catalogue import Catalogue
from detector.settings import DetectionSettings
from detector.types import Series
from models.contract import Floats, Ints, State
from models.spans import DEPTH
from pipelines.schema import TIME, Schema

MAX_CELLS = 1_000_000
"""Series-buckets with errors that are kept at the most; the oldest go first."""

HISTORY: Schema = {
    "time": TIME,
    "reporter": pl.String,
    "source": pl.String,
    "destination": pl.String,
    "signal": pl.String,
    "errors": pl.Float64,
    "requests": pl.Float64,
    "expected": pl.Float64,
}
"""Columns of `Memory.history`; ``time`` is the start of the bucket."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Page(NamedTuple):
    """The rows with errors in one bucket."""

    at: int  # bucket since the epoch
    rows: Ints
    counts: Floats  # errors, requests, expected: 3 x rows


class Tally(NamedTuple):
    """Sums of one series over a stretch of time."""

    errors: float
    requests: float
    expected: float


class Memory:
    """Errors bucket by bucket, bounded in time and in number.

    Args:
        catalogue: Says which row is which series.
        settings: How long to remember.
    """

    def __init__(self, catalogue: Catalogue, settings: DetectionSettings) -> None:
        self._cat = catalogue
        self._step = timedelta(seconds=settings.bucket_s)
        self._keep = settings.history_s // settings.bucket_s
        self._pages: deque[_Page] = deque()
        self._cells = 0
        self._generation = 0

    def remember(self, index: int, errors: Floats, requests: Floats, expected: Floats) -> None:
        """Keep the series with errors in bucket ``index``; arrays are by row."""
        if self._generation != self._cat.generation:
            self._drop_strangers()
        rows = np.flatnonzero((errors > 0) & (self._cat.ties.edge > 0))
        if rows.size:
            counts = np.stack([errors[rows], requests[rows], expected[rows]])
            self._pages.append(_Page(index, rows, counts))
            self._cells += rows.size
        while self._pages and (self._pages[0].at <= index - self._keep or self._cells > MAX_CELLS):
            self._cells -= self._pages.popleft().rows.size

    def _drop_strangers(self) -> None:
        """Rows have changed hands: forget what was said of their former owners."""
        self._generation = self._cat.generation
        keys, opened = self._cat.keys.keys, self._cat.ties.opened
        pages, self._pages, self._cells = self._pages, deque(), 0
        for page in pages:
            own = np.array([keys[row] is not None for row in page.rows.tolist()], dtype=np.bool_)
            own &= opened[page.rows] <= page.at
            if own.any():
                self._pages.append(_Page(page.at, page.rows[own], page.counts[:, own]))
                self._cells += int(own.sum())

    def history(self, series: Collection[Series], since: datetime) -> pl.DataFrame:
        """The buckets with errors of ``series`` that start at ``since`` or later, oldest first."""
        names = {row: one for one in series if (row := self._cat.keys.row(one))}
        first = (since - _EPOCH) // self._step
        pages = [page for page in self._pages if page.at >= first]
        wanted = np.zeros(self._cat.keys.capacity, dtype=np.bool_)
        wanted[list(names)] = True
        rows = np.concatenate([np.zeros(0, np.int64), *(page.rows for page in pages)])
        at = np.flatnonzero(wanted[rows])
        counts = np.concatenate([np.zeros((3, 0)), *(page.counts for page in pages)], axis=1)[:, at]
        pages_of = np.repeat(np.arange(len(pages)), [page.rows.size for page in pages])[at]
        times = [_EPOCH + pages[i].at * self._step for i in pages_of.tolist()]
        owners = [names[row] for row in rows[at].tolist()]
        return pl.DataFrame(
            {
                "time": times,
                **{name: [getattr(one, name) for one in owners] for name in Series._fields},
                "errors": counts[0],
                "requests": counts[1],
                "expected": counts[2],
            },
            schema=HISTORY,
        )

    def tally(self, series: Series, buckets: int) -> Tally:
        """Sums over the last ``buckets`` buckets, at most half an hour; zeros if unknown."""
        row = self._cat.keys.row(series)
        if not row:
            return Tally(0.0, 0.0, 0.0)
        slots = self._cat.spans.slots(min(buckets, DEPTH))
        edge = self._cat.ties.edge[row]
        return Tally(
            float(self._cat.spans.errors[slots, row].sum(dtype=np.float64)),
            float(self._cat.exposure.requests[slots, edge].sum(dtype=np.float64)),
            float(self._cat.spans.expected[slots, row].sum(dtype=np.float64)),
        )

    def state(self) -> State:
        """All pages."""
        pages = list(self._pages)
        return {
            "index": np.array([page.at for page in pages], dtype=np.int64),
            "sizes": np.array([page.rows.size for page in pages], dtype=np.int64),
            "rows": np.concatenate([np.zeros(0, np.int64), *(page.rows for page in pages)]),
            "counts": np.concatenate([np.zeros((3, 0)), *(page.counts for page in pages)], axis=1),
        }

    def load(self, state: State) -> None:
        """Become what `state` described."""
        bounds = np.cumsum(state["sizes"].astype(np.int64))[:-1]
        rows = np.split(state["rows"].astype(np.int64), bounds)
        counts = np.split(state["counts"].astype(np.float64), bounds, axis=1)
        index = state["index"].astype(np.int64).tolist()
        self._pages = deque(_Page(*page) for page in zip(index, rows, counts, strict=False))
        self._cells = int(sum(page.rows.size for page in self._pages))
        self._generation = self._cat.generation
