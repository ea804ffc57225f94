"""Counts and expectations over several time scales, with the overdispersion of each.

For spans of ``SPANS`` buckets this keeps, per row, the sliding sums of observed (Y) and expected
(M) errors, and three forgetting sums that say how much wilder than Poisson the row is:
``S1 = sum (Y-M)^2``, ``S2 = sum M``, ``S3 = sum M^2``. With ``r = max(0, S1 - S2)`` the variance of
Y is::

    M + w0 f M + w1 0.15 M^2 + r (M / (2 S2) + M^2 / (2 S3)) + M^2 u
    w0 = 1 / (1 + S2 / 10),   w1 = max(w0, 1 / (1 + n / 10)),   n = S2^2 / S3

a clumping term that grows like M (``f`` is what the row's kin shows: `models.clumps`), a wandering
of the rate that grows like M^2, and the uncertainty ``u`` of the rate itself. The priors ``w0`` and
``w1`` fade with evidence: that of clumps with the errors seen, that of wandering with the number
``n`` of spans seen, since a busy row shows thousands of errors before it has shown how its rate
wanders.
"""

from __future__ import annotations

import numpy as np

from models.contract import Columns, Flags, Floats, Ints, Singles, State

SPANS = (1, 6, 30, 180)
"""Buckets per time scale: 10 s, 1 min, 5 min and 30 min with buckets of 10 s."""

DEPTH = SPANS[-1]
_FLOOR = 5e-5  # expected errors per bucket below which no expectation is believed
_WINSOR = 16.0  # a squared deviation counts at most as this many variances


class Spans(Columns):
    """Sliding sums of all rows over all `SPANS`.

    Args:
        half_life: Buckets after which a past deviation weighs half.
    """

    columns = ("errors", "expected", "recent", "awaited", "deviation", "mean", "square", "clump")

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.at = 0  # buckets seen
        self.errors: Singles = np.zeros((DEPTH, 0), dtype=np.float32)  # rings
        self.expected: Singles = np.zeros((DEPTH, 0), dtype=np.float32)
        self.recent: Floats = np.zeros((len(SPANS), 0))  # Y
        self.awaited: Floats = np.zeros((len(SPANS), 0))  # M
        self.deviation: Floats = np.zeros((len(SPANS), 0))  # S1
        self.mean: Floats = np.zeros((len(SPANS), 0))  # S2
        self.square: Floats = np.zeros((len(SPANS), 0))  # S3
        self.clump: Floats = np.zeros((len(SPANS), 0))  # f

    def advance(self, errors: Floats, expected: Floats) -> None:
        """Take in one bucket of observed and expected errors of every row."""
        slot = self.at % DEPTH
        for i, span in enumerate(SPANS):
            leaving = (self.at - span) % DEPTH
            self.recent[i] -= self.errors[leaving]
            self.awaited[i] -= self.expected[leaving]
        self.errors[slot] = errors
        self.expected[slot] = expected
        self.recent += self.errors[slot]
        self.awaited += self.expected[slot]
        self.at += 1
        if slot == DEPTH - 1:
            self._settle()

    def _settle(self) -> None:
        """Recompute the sums now and then, so that rounding cannot pile up."""
        for i, span in enumerate(SPANS):
            self.recent[i] = self.errors[DEPTH - span :].sum(axis=0, dtype=np.float64)
            self.awaited[i] = self.expected[DEPTH - span :].sum(axis=0, dtype=np.float64)

    def begin(self, rows: Ints, expected: Singles) -> None:
        """Give ``rows`` the ``expected`` rings (`DEPTH` x rows) that they would have had."""
        self.expected[:, rows] = expected
        self._resum(rows)

    def adopt(self, rows: Ints, members: Ints) -> None:
        """Let each aggregate of ``rows`` have expected what its new member expected."""
        np.add.at(self.expected.T, rows, self.expected[:, members].T)
        self._resum(np.unique(rows))

    def _resum(self, rows: Ints) -> None:
        for i, span in enumerate(SPANS):
            slots = self.slots(span)[:, None]
            self.awaited[i, rows] = self.expected[slots, rows].sum(axis=0, dtype=np.float64)
            self.recent[i, rows] = self.errors[slots, rows].sum(axis=0, dtype=np.float64)

    def slots(self, buckets: int) -> Ints:
        """Ring positions of the last ``buckets`` buckets, oldest first."""
        return np.arange(self.at - min(buckets, DEPTH), self.at) % DEPTH

    def counts(self, rows: Ints) -> tuple[Floats, Floats]:
        """Y and M of ``rows``, one line per span."""
        floor = _FLOOR * np.array(SPANS)[:, None]
        return self.recent[:, rows].round(), np.maximum(self.awaited[:, rows], 0.0) + floor

    def variance(self, rows: Ints, expected: Floats, uncertainty: Floats) -> Floats:
        """Variance of Y given M = ``expected``; ``uncertainty`` is var(rate)/rate^2 per row."""
        mean, square = self.mean[:, rows], self.square[:, rows]
        excess = np.maximum(self.deviation[:, rows] - mean, 0.0)
        clumped = 1.0 / (1.0 + mean / 10.0)
        spans_seen = mean**2 / np.maximum(square, 1e-12)
        wandering = np.maximum(clumped, 1.0 / (1.0 + spans_seen / 10.0))
        wild = expected / (2.0 * np.maximum(mean, 1e-9))
        wild += expected**2 / (2.0 * np.maximum(square, 1e-12))
        return np.asarray(
            expected
            + clumped * self.clump[:, rows] * expected
            + wandering * 0.15 * expected**2
            + excess * np.where(mean > 0, wild, 0.0)
            + expected**2 * uncertainty
        )

    def fresh(self, rows: Ints, spans: Ints) -> Flags:
        """Whether the excess of a span still goes on, rather than lies in its past.

        The last sixth of the span must carry at least half of its fair share of the excess.
        Otherwise a short burst would look like an excess for as long as the longest span.
        """
        result = np.ones(rows.size, dtype=np.bool_)
        for i, span in enumerate(SPANS):
            chosen = np.flatnonzero(spans == i)
            if span == 1 or not chosen.size:
                continue
            part = max(span // 6, 1)
            slots, some = self.slots(part)[:, None], rows[chosen]
            late = (self.errors[slots, some] - self.expected[slots, some]).sum(axis=0)
            total = self.recent[i, some] - self.awaited[i, some]
            result[chosen] = late >= 0.5 * total * part / span
        return result

    def learn(self, variance: Floats, rows: Ints, held: Flags) -> None:
        """Learn how wild the rows are from the spans that end with this bucket.

        Args:
            variance: Of ``rows``, as `variance` gave it; deviations are winsorised by it.
            rows: Rows with errors in this bucket (all others deviate by M alone).
            held: Of all rows: those that must not learn.
        """
        for i, span in enumerate(SPANS):
            if self.at % span:
                continue
            keep = 0.5 ** (span / self._half_life)
            awaited = np.where(held, 0.0, np.maximum(self.awaited[i], 0.0))
            if span == 1:
                squares = awaited**2
                gap = (self.recent[i, rows] - awaited[rows]) ** 2
                squares[rows] = np.minimum(gap, _WINSOR * variance[i])
            else:
                limit = (
                    _WINSOR
                    * self.variance(np.arange(held.size), self.awaited, np.zeros(held.size))[i]
                )
                squares = np.minimum((self.recent[i] - awaited) ** 2, limit + _FLOOR)
            squares[held] = 0.0
            self.deviation[i] = keep * self.deviation[i] + squares
            self.mean[i] = keep * self.mean[i] + awaited
            self.square[i] = keep * self.square[i] + awaited**2

    def accept(self, row: int) -> None:
        """Believe the observed counts of ``row``: from now on they were expected."""
        self.expected[:, row] = self.errors[:, row].mean()
        self.deviation[:, row] = self.mean[:, row] = self.square[:, row] = 0.0
        self._resum(np.array([row]))

    def forgive(self, rows: Ints, buckets: int) -> Floats:
        """Let what ``rows`` had until ``buckets`` buckets ago have been as expected.

        What was told once is evidence of nothing new. Returns what was taken away, one line per
        ring position, for the aggregates to give up likewise (`yield_to`).
        """
        slots = np.arange(self.at - DEPTH, self.at - min(buckets, DEPTH)) % DEPTH
        taken = np.zeros((DEPTH, rows.size))
        old = np.ix_(slots, rows)
        taken[slots] = self.errors[old] - self.expected[old]
        self.errors[old] = self.expected[old]
        self._resum(rows)
        return taken

    def yield_to(self, rows: Ints, taken: Floats) -> None:
        """Let aggregates give up what was ``taken`` (`forgive`) from their members."""
        np.subtract.at(self.errors.T, rows, taken.T.astype(np.float32))
        some = np.unique(rows)
        self.errors[:, some] = np.maximum(self.errors[:, some], 0.0)
        self._resum(some)

    def state(self) -> State:
        """All columns and the position in the rings."""
        return {**super().state(), "at": np.array([self.at])}

    def load(self, state: State) -> None:
        """Become what `state` described."""
        super().load(state)
        self.at = int(state["at"][0])
