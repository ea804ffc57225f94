"""What the baselines may learn from a bucket: suspects little, outages nothing.

A surprising row learns at most its expectation and two standard deviations. A row in alarm learns
nothing, until `models.regime` finds that the alarm has become the new normal. When an alarm is
over, its errors have been told: the longer time scales forget them, so that nothing alarms twice.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from detector.engine.catalogue import Catalogue
from detector.engine.surprise import Scores
from detector.settings import DetectionSettings
from models import regime
from models.calibration import U
from models.contract import Columns, Flags, Floats, Ints, State
from models.spans import DEPTH

PAUSE_S = 600  # without an alarm for this long, an alarm is over
_MINUTES_KEPT = 2 * regime.PATIENCE_MIN
_YOUNG_U = 2.0 * U  # an edge younger than half an hour is still finding its level
_WEIGHT = 4.0  # an accepted level counts as if it had been seen for two hours


class Alarmed(Columns):
    """Since when and until when rows are in alarm, as bucket numbers; 0 if never."""

    columns = ("first", "last")

    def __init__(self) -> None:
        self.first: Ints = np.zeros(0, dtype=np.int64)
        self.last: Ints = np.zeros(0, dtype=np.int64)


class Guard:
    """Learns for all rows of a catalogue, and decides what.

    Args:
        catalogue: The baselines that learn.
        settings: Length of a bucket.
    """

    def __init__(self, catalogue: Catalogue, settings: DetectionSettings) -> None:
        self._cat = catalogue
        self._pause = PAUSE_S // settings.bucket_s
        self._minute = max(60 // settings.bucket_s, 1)
        self.alarmed = Alarmed()
        catalogue.keys.attach(self.alarmed)
        self._shares: dict[int, deque[float]] = {}  # of rows in alarm, by minute

    def learn(
        self, scores: Scores, alarm: Ints, errors: Floats, requests: Floats, now: int
    ) -> None:
        """Learn one bucket after it was scored.

        Args:
            scores: Of this bucket.
            alarm: Rows in alarm now.
            errors: Of every row in this bucket.
            requests: Exposure of every row in this bucket.
            now: The present bucket.
        """
        cat, state = self._cat, self.alarmed
        begun = alarm[now - state.last[alarm] > self._pause]
        state.first[begun] = now
        state.last[alarm] = now
        self._forgive(now)
        held: Flags = state.last > 0
        calm = errors.copy()
        edges = cat.ties.edge[scores.rows]
        limit = np.where(cat.exposure.seen[edges] > DEPTH, U, _YOUNG_U)
        hot = (scores.surprise > limit) & cat.exposure.judged()[edges]
        expected = scores.expected[0, hot]
        rows = scores.rows[hot]
        calm[rows] = np.minimum(calm[rows], expected + 2.0 * np.sqrt(expected + 0.05))
        cat.rates.learn(calm, requests, held)
        cat.spans.learn(scores.variance, scores.rows, held)
        known = (cat.ties.group > 0) & ~held
        spans = cat.spans
        cat.clumps.learn(spans.recent, spans.awaited, spans.at, cat.ties.group, known)
        cat.peaks.learn(scores.rows, np.where(scores.fresh, scores.surprise, 0.0), now)
        if now % self._minute == 0:
            self._review(held, now)

    def _forgive(self, now: int) -> None:
        """End the alarms that have paused for long enough."""
        cat, state = self._cat, self.alarmed
        over = np.flatnonzero((state.last > 0) & (now - state.last > self._pause))
        if not over.size:
            return
        own, modest = over[cat.ties.edge[over] > 0], cat.modest()
        taken = cat.spans.forgive(own, self._pause + 1)
        for parents in cat.ties.parents:
            up = np.where(modest[own], parents[own], 0)
            cat.spans.yield_to(up[up > 0], taken[:, up > 0])
        state.first[over] = state.last[over] = 0

    def _review(self, held: Flags, now: int) -> None:
        """Once a minute: accept the level of alarms that have become normal."""
        cat = self._cat
        rows = set(np.flatnonzero(held & (cat.ties.edge > 0)).tolist())
        self._shares = {row: kept for row, kept in self._shares.items() if row in rows}
        slots = cat.spans.slots(self._minute)
        for row in sorted(rows):
            requests = float(cat.exposure.requests[slots, cat.ties.edge[row]].sum())
            if requests <= 0:
                continue
            shares = self._shares.setdefault(row, deque(maxlen=_MINUTES_KEPT))
            shares.append(float(cat.spans.errors[slots, row].sum()) / requests)
            if regime.settled(shares):
                self._accept(row, now)

    def _accept(self, row: int, now: int) -> None:
        """Make the last 30 minutes the normal level of ``row`` and of its aggregates."""
        cat = self._cat
        slots = cat.spans.slots(DEPTH)
        requests = float(cat.exposure.requests[slots, cat.ties.edge[row]].sum())
        errors = float(cat.spans.errors[slots, row].sum())
        cat.rates.replace(row, errors, requests, _WEIGHT)
        for accepted in (row, *cat.ties.parents[:, row].tolist()):
            if accepted:
                cat.spans.accept(accepted)
                self.alarmed.first[accepted] = self.alarmed.last[accepted] = 0
        self._shares.pop(row, None)

    def state(self) -> State:
        """The error shares of rows in alarm (`Alarmed` is saved with the rows)."""
        rows = sorted(self._shares)
        lengths = np.array([len(self._shares[row]) for row in rows], dtype=np.int64)
        shares = [share for row in rows for share in self._shares[row]]
        return {
            "rows": np.array(rows, dtype=np.int64),
            "lengths": lengths,
            "shares": np.array(shares),
        }

    def load(self, state: State) -> None:
        """Become what `state` described."""
        bounds = np.cumsum(state["lengths"].astype(np.int64))[:-1]
        parts = np.split(state["shares"].astype(np.float64), bounds)
        rows = state["rows"].astype(np.int64).tolist()
        self._shares = {
            row: deque(part.tolist(), maxlen=_MINUTES_KEPT)
            for row, part in zip(rows, parts, strict=False)
        }
