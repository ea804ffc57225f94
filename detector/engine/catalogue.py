"""Which series exist: rows for edges, their signals, and the aggregates above them.

Signals appear with their first error; an edge without a row for a signal has never shown it.
A series of the source reporter belongs to three aggregates: its destination over all sources, its
source over all destinations, and for signals of reconciliation the whole mesh. The destination
reporter's lines do not name the caller, so its series join the mesh's aggregate only. Series
towards the unknown destination (scanners) and of clients stay out of all aggregates.

Response codes are counted where the caller's side is heard; from the destination's side only
where no source reporter speaks for that destination, else each failure would count twice.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import numpy as np

from detector.engine.series import (
    CLIENT_SIGNALS,
    CONTROL_SIGNALS,
    UNKNOWN,
    Bucket,
    Codebook,
    Edge,
    as_series,
)
from detector.types import Series
from models.bank import Bank
from models.calibration import Peaks
from models.clumps import Clumps
from models.contract import Columns, Flags, Floats, Ints
from models.exposure import Exposure
from models.rates import Rates
from models.spans import Spans
from models.volume import Volumes

LEVELS = 3
EVERYONE = "*"
LOUD = 0.01  # share of failures from which a series stays out of its aggregates
LISTED = 20  # evicted series that are remembered, to be shown
MAX_GROUPS = 4096  # flags are an open set; what exceeds this shares one group

DOMAIN_RATES = {
    "NC": 1e-6, "NR": 1e-6, "UPE": 1e-6, "UO": 1e-6, "UH": 3e-6, "UF": 1e-5, "URX": 1e-5,
    "UC": 1e-5, "UT": 1e-5, "LR": 1e-6, "UR": 1e-6, "DPE": 1e-5, "DC": 3e-4, "RL": 1e-4,
    "UAEX": 1e-4, "500": 3e-4, "501": 1e-5, "502": 3e-5, "503": 1e-4, "504": 3e-5,
}  # fmt: skip
"""How often a signal shows on a healthy edge before the mesh has told: orders of magnitude from
operating experience. What is not listed: 1e-3 for codes below 500, else 1e-5."""


class Ties(Columns):
    """What a key hangs on: its edge, its aggregates, its pool."""

    columns = ("edge", "parents", "group", "members", "opened", "client", "control")

    def __init__(self) -> None:
        self.edge: Ints = np.zeros(0, dtype=np.int64)
        self.parents: Ints = np.zeros((LEVELS, 0), dtype=np.int64)
        self.group: Ints = np.zeros(0, dtype=np.int64)
        self.members: Ints = np.zeros(0, dtype=np.int64)  # of an aggregate
        self.opened: Ints = np.zeros(0, dtype=np.int64)  # bucket of the first error
        self.client = np.zeros(0, dtype=np.bool_)
        self.control = np.zeros(0, dtype=np.bool_)


class Catalogue:
    """The rows of everything seen, with the parts of the baseline that they index.

    Args:
        limit: Keys (series and aggregates) at the most, and edges at the most.
        half_life: Of rates, in buckets with traffic.
        day: Buckets in a day.
        quiet: Buckets that end a peak.
    """

    _TEMPLATE: ClassVar[tuple[float, float]] = (2.0, 1.0)  # zeta, sigma before any peak

    def __init__(self, *, limit: int, half_life: float, day: float, quiet: int) -> None:
        self.exposure = Exposure(half_life)
        self.volumes = Volumes()
        self.rates = Rates(half_life)
        self.spans = Spans(day)
        self.clumps = Clumps(day)
        self.peaks = Peaks(7 * day, quiet)
        self.ties = Ties()
        self.edges: Bank[Edge] = Bank([self.exposure, self.volumes], limit)
        parts = [self.rates, self.spans, self.peaks, self.ties]
        self.keys: Bank[Series] = Bank(parts, limit)
        self.groups: dict[tuple[str, str, int], int] = {}  # reporter, signal, level
        self.priors: Floats = np.array([1e-5, 1e-5])  # per group; 0 is nobody, 1 the overflow
        self.domain: Floats = self.priors.copy()
        self.tails: list[tuple[float, float]] = [self._TEMPLATE, self._TEMPLATE]
        self.levels: Ints = np.zeros(2, dtype=np.int64)  # per group
        self.told: set[str] = set()  # destinations that some source reporter speaks for
        self._new: list[int] = []  # rows created in the bucket under way
        self.generation = 0
        self.gone: deque[Series] = deque(maxlen=LISTED)  # the last to make room
        self.refused = 0  # series and edges that found no room, in every bucket in which they did

    @property
    def upper_groups(self) -> list[int]:
        """Groups of aggregates."""
        return [group for (_, _, level), group in self.groups.items() if level > 0]

    def resolve(self, bucket: Bucket, now: int) -> tuple[Ints, Ints]:
        """Rows of the bucket's edges and series; 0 for those that do not count."""
        book = bucket.book
        self._refresh(book)
        self._make_room_for_edges(bucket)
        before = len(self.told)
        new = book.edge_rows[bucket.edges] == 0
        for i in _first_come(bucket.edges[new], bucket.requests[new], self.edges):
            book.edge_rows[i] = self._edge_row(book.edges[i], now)
        if len(self.told) > before:
            self._mute()
        self._refresh(book)
        self._make_room_for_series(bucket)
        new = book.series_rows[bucket.series] == 0
        for i in _first_come(bucket.series[new], bucket.errors[new], self.keys):
            edge, signal = book.series[i]
            book.series_rows[i] = self._series_row(book.edges[edge], signal, now)
        self._backfill()
        return book.edge_rows[bucket.edges], book.series_rows[bucket.series]

    def _refresh(self, book: Codebook) -> None:
        """Look up again what is noted of rows that have changed hands."""
        if book.generation == self.generation:
            return
        book.forget(self.generation)
        book.edge_rows[:] = [self.edges.row(edge) for edge in book.edges]
        for i, (edge, signal) in enumerate(book.series):
            book.series_rows[i] = self.keys.row(as_series(book.edges[edge], signal))

    def _edge_row(self, edge: Edge, now: int) -> int:
        if edge.reporter == "source" and edge.destination != UNKNOWN:
            self.told.add(edge.destination)
        row = self.edges.row(edge)
        if row or self.edges.full:
            self.refused += not row
            return row
        row = self.edges.create(edge)
        self.exposure.born[row] = now
        return row

    def _mutes(self, series: Series | Edge, signal: str) -> bool:
        return (
            series.reporter == "destination"
            and signal.isdecimal()
            and series.destination in self.told
        )

    def _mute(self) -> None:
        """Drop codes of destination reporters whose callers speak from now on."""
        rows = [
            row
            for row, key in enumerate(self.keys.keys)
            if key is not None and self._mutes(key, key.signal)
        ]
        if rows:
            self._evict(np.array(rows))

    def _series_row(self, edge: Edge, signal: str, now: int) -> int:
        if self._mutes(edge, signal):
            return 0
        key = as_series(edge, signal)
        row = self.keys.row(key)
        edge_row = self.edges.row(edge)
        if row or not edge_row or self.keys.full:
            self.refused += not row
            return row
        row = self.keys.create(key)
        born = int(self.exposure.born[edge_row])
        self._describe(row, key, 0, born)
        self.ties.edge[row] = edge_row
        self.ties.opened[row] = now
        group = int(self.ties.group[row])
        self.rates.begin(row, self.priors[group], self.exposure.volume[edge_row])
        self._new.append(row)
        self._join(row, key)
        return row

    def _describe(self, row: int, key: Series, level: int, born: int) -> None:
        group = self.groups.get((key.reporter, key.signal, level))
        if group is None:
            group = self._new_group(key, level)
        self.ties.group[row] = group
        self.ties.client[row] = key.signal in CLIENT_SIGNALS or key.destination == UNKNOWN
        self.ties.control[row] = key.signal in CONTROL_SIGNALS
        self.peaks.begin(row, born, self.tails[group])
        self.spans.clump[:, row] = self.clumps.factors(np.array([group]))[:, 0]

    def _new_group(self, key: Series, level: int) -> int:
        if self.priors.size >= MAX_GROUPS:
            return 1
        group = self.priors.size
        self.groups[key.reporter, key.signal, level] = group
        rate = DOMAIN_RATES.get(key.signal, 1e-3 if key.signal < "500" else 1e-5)
        self.priors = np.append(self.priors, rate)
        self.domain = np.append(self.domain, rate)
        self.levels = np.append(self.levels, level)
        kin = np.flatnonzero(self.levels[:-1] == level)
        heights = [self.tails[one][1] for one in kin.tolist()]
        zeta, sigma = self._TEMPLATE
        self.tails.append((zeta, float(np.median(heights)) if heights else sigma))
        return group

    def modest(self) -> Flags:
        """Rows that count in their aggregates.

        A series that fails all the time would drown its aggregates in its own noise; it has
        errors enough to speak for itself.
        """
        return np.asarray(self.rates.rate() < LOUD)

    def _join(self, row: int, key: Series) -> None:
        """Make the new series a member of its aggregates."""
        if self.ties.client[row]:
            return
        above: list[Series | None] = [None, None, None]
        if key.reporter == "source":
            above[0] = key._replace(source=EVERYONE)
            above[1] = key._replace(destination=EVERYONE)
        if self.ties.control[row]:
            above[2] = Series(key.reporter, EVERYONE, EVERYONE, key.signal)
        for level, parent in enumerate(above):
            if parent is None:
                continue
            up = self.keys.row(parent)
            if not up and not self.keys.full:
                up = self.keys.create(parent)
                self._describe(up, parent, level + 1, int(self.peaks.born[row]))
            self.ties.parents[level, row] = up
            if up:
                self.ties.members[up] += 1
                self.peaks.born[up] = min(self.peaks.born[up], self.peaks.born[row])

    def _backfill(self) -> None:
        """Give the new series, and through them their aggregates, the past they would have had."""
        rows, self._new = np.array(self._new, dtype=np.int64), []
        rows = rows[self.exposure.volume[self.ties.edge[rows]] > 0]
        if not rows.size:
            return
        past = self.exposure.requests[:, self.ties.edge[rows]]
        self.spans.begin(rows, past * self.rates.rate(rows).astype(np.float32))
        for parents in self.ties.parents:
            up = parents[rows]
            self.spans.adopt(up[up > 0], rows[up > 0])

    def _make_room_for_edges(self, bucket: Bucket) -> None:
        """Evict the least worthy tenth when the bucket's new edges would not fit."""
        rows = bucket.book.edge_rows[bucket.edges]
        if len(self.edges) + np.count_nonzero(rows == 0) > self.edges.limit:
            present = _summed(rows, bucket.requests, self.edges.capacity)
            gone = self.edges.least_worthy(lambda _: False, present)
            self._dismiss(np.flatnonzero(np.isin(self.ties.edge, gone)))
            self.edges.evict(gone)
            self._refresh(bucket.book)

    def _make_room_for_series(self, bucket: Bucket) -> None:
        """The same for its new series, of edges that have a row."""
        book = bucket.book
        rows = book.series_rows[bucket.series]
        edges = [book.series[i][0] for i in bucket.series[rows == 0].tolist()]
        if len(self.keys) + 2 * np.count_nonzero(book.edge_rows[edges]) > self.keys.limit:
            present = _summed(rows, bucket.errors, self.keys.capacity)
            self._dismiss(self.keys.least_worthy(lambda key: EVERYONE in key[1:3], present))
            self._refresh(book)

    def _dismiss(self, rows: Ints) -> None:
        self.gone.extend(self.keys.key(row) for row in rows[-LISTED:].tolist())
        self._evict(rows)

    def _evict(self, rows: Ints) -> None:
        """Forget series, and the aggregates that they leave without members."""
        parents = self.ties.parents[:, rows].ravel()
        np.subtract.at(self.ties.members, parents, 1)
        self.keys.evict(rows)
        up = np.unique(parents[parents > 0])
        self.keys.evict(up[self.ties.members[up] <= 0])
        self.generation += 1


def _summed(rows: Ints, weights: Floats, capacity: int) -> Floats:
    return np.bincount(rows, weights, capacity).astype(np.float64)


def _first_come(ids: Ints, weights: Floats, bank: Bank[Edge] | Bank[Series]) -> list[int]:
    """New names in the order in which they get rows.

    While there is no room for all, those with the most traffic come first: a flood of names keeps
    out no service that matters.
    """
    if len(bank) + 4 * ids.size <= bank.limit:  # a series may bring three aggregates
        return list(ids.tolist())
    return list(ids[np.argsort(-weights, kind="stable")].tolist())
