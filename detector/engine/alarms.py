"""Which surprises are alarms, and what is said of them.

A row alarms when its peak is rarer than the limit that keeps the operator's promise
(`models.promise`), when the excess still goes on, and when it is large enough to matter. Inside a
reconciliation window the signals of reconciliation count as rarer: by how much follows from how
rare such windows are, since a threshold lowered by d decades during a share c of the time costs
about c 10^d of the base rate.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from detector.engine.catalogue import Catalogue
from detector.engine.surprise import Scores
from detector.settings import DetectionSettings
from detector.types import Verdict
from models import tails
from models.contract import Flags, Floats, Ints, State
from models.promise import FLOOR, Promise
from models.rates import PRIOR_FAILURES
from models.spans import SPANS

SETTLED_S = 8 * 3600  # after this a mesh knows itself (the prototype stayed silent until then)
WEAK = 1.5  # rarity from which a row is worth attaching to an incident
RELIEF = 2.3  # decades by which windows lower the threshold at the most
REFIT = 60  # buckets between two looks at the limit
SIGNALS_PER_EDGE = 11  # rows that an edge can come to have: multiplicity counts the silent too


class Judge:
    """Decides on alarms and words them.

    Args:
        catalogue: The baselines.
        settings: Budget and effect sizes.
    """

    def __init__(self, catalogue: Catalogue, settings: DetectionSettings) -> None:
        self._cat = catalogue
        self._settings = settings
        self._covered = 0.05 * 86400 / settings.bucket_s  # prior: a day with 5 % of windows
        self._total = 86400 / settings.bucket_s
        self._limit: float | None = None
        self._promise = Promise(7 * 86400 / settings.bucket_s, 600 // settings.bucket_s)

    def decide(self, scores: Scores, now: int, age: int, *, covered: bool) -> Flags:
        """Which of the scored rows alarm in this bucket.

        Args:
            scores: Of this bucket.
            now: The present bucket.
            age: Buckets since the first one of the mesh.
            covered: Whether a reconciliation window touches this bucket.
        """
        cat, rows = self._cat, scores.rows
        self._covered += covered
        self._total += 1
        client, control = cat.ties.client[rows], cat.ties.control[rows]
        rarity = scores.rarity - client
        if covered:
            rarity = rarity + control * min(RELIEF, float(np.log10(self._total / self._covered)))
        excess = scores.best(scores.errors) - scores.best(scores.expected)
        could = (
            (rarity >= FLOOR)
            & scores.fresh
            & (excess >= self._least_excess(client, now, age, rows))
            & self._judged(rows)
        )
        multiplicity = max(len(cat.keys), SIGNALS_PER_EDGE * len(cat.edges), 1)
        budget = self._settings.false_incidents_per_week
        if now % REFIT == 0 or self._limit is None:
            self._limit = self._promise.limit(multiplicity, budget, age, now)
        if could.any():
            self._promise.watch(float(rarity[could].max()), now)
        return np.asarray(could & (rarity >= self._limit))

    def _least_excess(self, client: Flags, now: int, age: int, rows: Ints) -> Floats:
        """Errors beyond expectation that matter: more while a mesh or a series is young."""
        least = np.where(client, 4.0, 2.0) * self._settings.min_excess
        young = age * self._settings.bucket_s < SETTLED_S
        new = (now - self._cat.peaks.born[rows]) * self._settings.bucket_s < self._settings.warmup_s
        return np.asarray(least * np.where(young | new, 2.0, 1.0))

    def _judged(self, rows: Ints) -> Flags:
        """Past the burn-in; aggregates need at least two members."""
        edge = self._cat.ties.edge[rows]
        judged = self._cat.exposure.judged()[edge]
        return np.asarray(np.where(edge > 0, judged, self._cat.ties.members[rows] > 1))

    def verdicts(self, scores: Scores, alarm: Flags, end: datetime) -> dict[int, Verdict]:
        """Verdicts by row: all alarms, and series rare enough to be attached to an incident.

        An aggregate speaks through the fewest members that carry 85 % of its errors, those of
        them that still fail; it takes at least two.
        """
        found: dict[int, Verdict] = {}
        order = np.lexsort((scores.rows, -scores.rarity))
        for i in order.tolist():
            row = int(scores.rows[i])
            if self._cat.ties.edge[row] == 0:
                if alarm[i]:
                    self._speak_through_members(scores, i, end, found)
            elif alarm[i] or (scores.rarity[i] >= WEAK and scores.fresh[i]):
                known = found.get(row)
                if known is None or (alarm[i] and not known.alarm):
                    found[row] = self._word(scores, i, row, end, alarm=bool(alarm[i]))
        return found

    def _speak_through_members(
        self, scores: Scores, i: int, end: datetime, found: dict[int, Verdict]
    ) -> None:
        spans, row, scale = self._cat.spans, int(scores.rows[i]), int(scores.scale[i])
        members = np.flatnonzero((self._cat.ties.parents == row).any(axis=0))
        excess = spans.recent[scale, members] - spans.awaited[scale, members]
        order = np.lexsort((members, -excess))
        positive = np.maximum(excess[order], 0.0)
        enough = int(np.searchsorted(positive.cumsum(), 0.85 * positive.sum())) + 1
        if enough < 2:  # one member's trouble: its own row decides
            return
        spokesmen = members[order[:enough]]
        for member in spokesmen[self._stirs(spokesmen, scale)].tolist():
            known = found.get(member)
            if known is None or not known.alarm:
                found[member] = self._word(scores, i, member, end, alarm=True)

    def _stirs(self, members: Ints, scale: int) -> Flags:
        """Which members exceed their own expectation by two standard deviations, still now."""
        spans = self._cat.spans
        doubt = 1.0 / (self._cat.rates.failures[members] + PRIOR_FAILURES)
        errors, expected = spans.counts(members)
        variance = spans.variance(members, expected, doubt)[scale]
        gap = errors[scale] - expected[scale]
        now = spans.fresh(members, np.full(members.size, scale))
        return np.asarray((gap > 2.0 * np.sqrt(variance)) & now)

    def _word(self, scores: Scores, i: int, row: int, end: datetime, *, alarm: bool) -> Verdict:
        """The verdict on series ``row`` by the i-th score, its own or its aggregate's."""
        cat, scale = self._cat, int(scores.scale[i])
        slots = cat.spans.slots(SPANS[scale])
        errors = cat.spans.errors[slots, row].astype(np.float64)
        expected = cat.spans.expected[slots, row].astype(np.float64)
        mean = np.array([expected.sum()])
        spread = scores.variance[scale, i] / max(scores.expected[scale, i], 1e-12)
        onset = int(np.argmin(np.cumsum(errors - 2.0 * expected - 0.02))) + 1
        onset = 0 if (errors - 2.0 * expected - 0.02)[:onset].sum() > 0 else onset
        back = timedelta(seconds=self._settings.bucket_s) * (
            slots.size - min(onset, slots.size - 1)
        )
        return Verdict(
            time=end,
            series=cat.keys.key(row),
            started_at=end - back,
            errors=float(errors.sum()),
            requests=float(cat.exposure.requests[slots, cat.ties.edge[row]].sum()),
            expected=float(mean[0]),
            upper=float(tails.upper(mean, mean * max(spread, 1.0))[0]),
            surprise=float(scores.rarity[i]),
            span_s=float(SPANS[scale] * self._settings.bucket_s),
            alarm=alarm,
        )

    def state(self) -> State:
        """How much of the time windows have covered."""
        promise = {f"promise.{name}": array for name, array in self._promise.state().items()}
        limit = np.nan if self._limit is None else self._limit
        return {"coverage": np.array([self._covered, self._total, limit]), **promise}

    def load(self, state: State) -> None:
        """Become what `state` described."""
        self._covered, self._total, limit = state["coverage"].astype(np.float64).tolist()
        self._limit = None if np.isnan(limit) else limit
        prefix = "promise."
        self._promise.load({n.removeprefix(prefix): a for n, a in state.items() if prefix in n})
