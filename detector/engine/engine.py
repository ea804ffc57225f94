"""Rollups and baselines in, verdicts out; no clock, no I/O.

Each bucket is scored first and learnt from afterwards (see `models.contract`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from detector.engine import series as coding
from detector.engine import snapshots
from detector.engine.alarms import Judge
from detector.engine.aligned import Aligned
from detector.engine.catalogue import Catalogue
from detector.engine.guard import Guard
from detector.engine.memory import Memory, Tally
from detector.engine.series import SILENT, Bucket, Edge
from detector.engine.silence import Silence
from detector.engine.surprise import score
from detector.settings import DetectionSettings
from detector.types import Series, Verdict, Window
from models.contract import Flags, Floats, Holder
from models.spans import DEPTH

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_S = 3600
REFRESH_S = 600
_FADE = 0.983  # per refresh: how fast past traffic stops protecting a row from eviction


class Engine:
    """The baselines of a whole mesh and the judgement over them.

    Args:
        settings: When errors become an incident.
    """

    def __init__(self, settings: DetectionSettings) -> None:
        self.settings = settings
        self.step = timedelta(seconds=settings.bucket_s)
        per_hour = _HOUR_S / settings.bucket_s
        self.catalogue = Catalogue(
            limit=settings.max_series,
            half_life=settings.half_life_h * per_hour,
            day=24 * per_hour,
            quiet=600 // settings.bucket_s,
        )
        self.guard = Guard(self.catalogue, settings)
        self.judgement = Judge(self.catalogue, settings)
        self.aligned = Aligned(self.catalogue, settings)
        self.memory = Memory(self.catalogue, settings)
        self.silence = Silence(self.catalogue, settings)
        self.windows: list[Window] = []  # those that touch the last judged bucket
        self.stale = 0  # buckets refused because a later one was judged before
        self._index = -1  # of the last judged bucket, since the epoch
        self._born = -1  # of the first

    def encode(self, rollup: pl.DataFrame) -> Iterator[Bucket]:
        """The buckets of a ROLLUP frame, oldest first, silent ones between them as empty ones.

        Silence since the last judged bucket is filled likewise; a silence longer than
        `detector.engine.series.MAX_GAP` buckets is jumped over.
        """
        last = None if self._index < 0 else _EPOCH + self._index * self.step
        for bucket in coding.encode(rollup, self.step):
            if last is not None:
                yield from coding.gap(last, bucket.start, self.step)
                last = None
            yield bucket

    def judge(self, bucket: Bucket, windows: Sequence[Window]) -> list[Verdict]:
        """Score a bucket, then learn from it.

        Args:
            bucket: Later than every bucket judged before; others are only counted (`stale`).
            windows: Reconciliation windows known by now; those that do not touch the bucket are
                passed over.

        Returns:
            Alarms, and weaker verdicts (``alarm`` false) worth attaching to an incident; the
            most surprising first.
        """
        index = (bucket.start - _EPOCH) // self.step
        if index <= self._index:
            self.stale += 1
            return []
        self._skip_to(index)
        end = bucket.start + self.step
        self.windows = [one for one in windows if _touches(one, bucket.start, end)]
        cat = self.catalogue
        requests, errors = self._tables(bucket, index)
        expected, exposure = self._advance(requests, errors, index)
        rows = np.flatnonzero((errors > 0) & self._matters())
        scores = score(cat, rows, expected, index)
        alarm = self.judgement.decide(scores, index, index - self._born, covered=bool(self.windows))
        verdicts = self.judgement.verdicts(scores, alarm, end)
        self.aligned.add(verdicts, bucket, self.windows)
        suspects = {row for row, verdict in verdicts.items() if verdict.alarm}
        suspects |= set(rows[alarm].tolist())
        held = np.array(sorted(suspects), dtype=np.int64)
        self.guard.learn(scores, held, errors, exposure, index)
        self.memory.remember(index, errors, exposure, expected)
        rest = max(REFRESH_S // self.settings.bucket_s, 1)
        if index // rest != (index - 1) // rest:
            self._refresh(index)
        found = [*verdicts.values(), *self.silence.look(index, end)]
        return sorted(found, key=lambda v: (not v.alarm, -v.surprise, v.series))

    def _matters(self) -> Flags:
        """Which rows are scored: all series and aggregates, those of clients only if asked for."""
        ties = self.catalogue.ties
        if self.settings.client_incidents:
            return np.asarray(ties.group > 0)
        return np.asarray((ties.group > 0) & ~ties.client)

    def _skip_to(self, index: int) -> None:
        """Step through the silence before bucket ``index``."""
        if self._born < 0:
            self._born = index
        else:
            edges, keys = self.catalogue.edges, self.catalogue.keys
            for at in range(max(self._index + 1, index - DEPTH), index):
                self._advance(np.zeros(edges.capacity), np.zeros(keys.capacity), at)
        self._index = index

    def _tables(self, bucket: Bucket, index: int) -> tuple[Floats, Floats]:
        """Requests by edge row and errors by key row, aggregates included."""
        cat = self.catalogue
        edges, series = cat.resolve(bucket, index)
        requests = np.zeros(cat.edges.capacity)
        np.add.at(requests, edges, bucket.requests)
        errors = np.zeros(cat.keys.capacity)
        np.add.at(errors, series, bucket.errors)
        requests[0] = errors[0] = 0.0
        cat.edges.worth += requests
        cat.keys.worth += errors
        return requests, errors

    def _advance(self, requests: Floats, errors: Floats, index: int) -> tuple[Floats, Floats]:
        """Move all sums on by one bucket; expected errors and exposure by key row.

        What an edge does in its burn-in is learnt but neither expected nor held against it.
        Where successes are no longer logged, the exposure is presumed (`models.volume`).
        """
        cat, rate = self.catalogue, self.catalogue.rates.rate()
        edge, size = cat.ties.edge, requests.size
        own = edge > 0
        failures = np.bincount(edge[own], weights=errors[own], minlength=size).astype(np.float64)
        share = np.bincount(edge[own], weights=rate[own], minlength=size).astype(np.float64)
        requests = cat.volumes.advance(requests, failures, share, index)
        cat.exposure.advance(cat.spans.at % DEPTH, requests)
        judged = cat.exposure.judged()[edge]
        exposure = requests[edge]
        expected = np.where(judged, rate * exposure, 0.0)
        counted = np.where(judged, errors, 0.0)
        modest = cat.modest()
        mine, told = np.where(modest, expected, 0.0), np.where(modest, counted, 0.0)
        for parents in cat.ties.parents:
            expected += np.bincount(parents, weights=mine, minlength=mine.size)
            counted += np.bincount(parents, weights=told, minlength=mine.size)
        expected[0] = counted[0] = 0.0
        cat.spans.advance(counted, expected)
        errors[:] = np.maximum(errors, counted)
        return expected, exposure

    def _refresh(self, index: int) -> None:
        """Every ten minutes: let the pools follow their members."""
        cat, week = self.catalogue, 7 * 86400 / self.settings.bucket_s
        live = np.array([row for row, edge in enumerate(cat.edges.keys) if edge is not None])
        leaf = np.where(cat.ties.edge > 0, cat.ties.group, 0)
        cat.priors = cat.rates.pool(leaf, cat.domain, cat.exposure.volume[live])
        cat.spans.clump[:] = cat.clumps.factors(cat.ties.group)
        watched = float((index - cat.exposure.born[live]).sum()) / week
        silent = np.array([watched] * cat.priors.size)
        silent[list(cat.upper_groups)] = 0.0
        zeta, sigma = cat.peaks.pool(cat.ties.group, cat.levels, silent, index)
        cat.tails = list(zip(zeta.tolist(), sigma.tolist(), strict=True))
        cat.edges.worth *= _FADE
        cat.keys.worth *= _FADE

    def history(self, series: Collection[Series], since: datetime) -> pl.DataFrame:
        """Buckets with errors of ``series`` from ``since`` on; see `detector.engine.memory`."""
        missing = self.silence.history(series, since)
        return pl.concat([self.memory.history(series, since), missing])

    @property
    def counted(self) -> list[Edge]:
        """Edges of which only failures are logged: those are counted, not set against requests."""
        rows = np.flatnonzero(self.catalogue.volumes.counted()).tolist()
        return sorted(self.catalogue.edges.key(row) for row in rows)

    def tally(self, series: Series, since: datetime) -> Tally:
        """Errors, requests and expected errors of ``series`` from ``since`` to the last bucket."""
        if series.signal == SILENT:
            return self.silence.tally(series, since)
        last = _EPOCH + (self._index + 1) * self.step
        return self.memory.tally(series, max((last - since) // self.step, 0))

    def holders(self) -> dict[str, Holder]:
        """Whatever holds state, by the name it has in a snapshot."""
        cat = self.catalogue
        return {
            "exposure": cat.exposure,
            "volumes": cat.volumes,
            "edges": cat.edges,
            "rates": cat.rates,
            "spans": cat.spans,
            "clumps": cat.clumps,
            "peaks": cat.peaks,
            "ties": cat.ties,
            "keys": cat.keys,
            "alarmed": self.guard.alarmed,
            "guard": self.guard,
            "judgement": self.judgement,
            "aligned": self.aligned,
            "memory": self.memory,
            "silence": self.silence,
        }

    @property
    def position(self) -> tuple[int, int, int]:
        """Last and first judged bucket since the epoch (-1: none), and the stale ones."""
        return self._index, self._born, self.stale

    @position.setter
    def position(self, position: tuple[int, int, int]) -> None:
        self._index, self._born, self.stale = position

    def snapshot(self) -> bytes:
        """Everything that later verdicts depend on."""
        return snapshots.save(self)

    def restore(self, data: bytes) -> None:
        """Become the engine that made the snapshot, with this engine's settings.

        Raises:
            ValueError: If ``data`` is no snapshot of this version.
        """
        snapshots.load(self, data)


def _touches(window: Window, start: datetime, end: datetime) -> bool:
    until = window.affects_until or window.ended_at
    return window.started_at < end and (window.ended_at is None or until is None or until > start)
