"""How often a row shows any error at all: a second view, blind to the size of clumps.

One retry storm gives fifty errors in a bucket and means little; one error in each of ten buckets
where there used to be none means a lot. Per row this counts the buckets with an error among the
last ``WIDTHS``. Their mean is the share ``q`` of such buckets in the row's past, their variance
grows by the row's own Fano factor, forgetting alike, and by a wander of the rate::

    q = (active + 0.3) / (seen + 2000),   M = max(q w, errors expected),   v = F M + 0.15 M^2
    F = max(1, (2 + sum (Y - M)^2) / (2 + sum M))

The surprise is the negative binomial tail of `models.tails`. Since clumps cannot inflate the
counts, it is taken at face value: a row has about ``week / WIDTHS[0]`` chances a week. A row says
nothing before it has been watched for `PATIENCE` buckets.
"""

from __future__ import annotations

import numpy as np

from models import tails
from models.contract import Columns, Flags, Floats, Ints

WIDTHS = (18, 90)
"""Buckets looked back at: 3 and 15 minutes with buckets of 10 s."""

LEAST = 7.0
"""Buckets with errors below which nothing is said."""

PATIENCE = 2880
"""Buckets watched before a row is believed: 8 hours with buckets of 10 s."""

_SOME, _BUCKETS = 0.3, 2000.0  # prior: so many active buckets among so many
_WINSOR = 16.0


class Activity(Columns):
    """Buckets with errors of all rows.

    Args:
        half_life: Buckets after which a past one weighs half.
        week: Buckets in a week.
    """

    columns = ("recent", "active", "seen", "deviation", "mean")

    def __init__(self, half_life: float, week: float) -> None:
        self._half_life = half_life
        self._chances = np.log10(week / WIDTHS[0])
        self.recent: Floats = np.zeros((len(WIDTHS), 0))  # Y
        self.active: Floats = np.zeros(0)
        self.seen: Floats = np.zeros(0)
        self.deviation: Floats = np.zeros((len(WIDTHS), 0))  # sum (Y - M)^2
        self.mean: Floats = np.zeros((len(WIDTHS), 0))  # sum M

    def begin(self, row: int, seen: float) -> None:
        """Start ``row``: without an error in the ``seen`` buckets it could have had one in."""
        self.seen[row] = min(seen, self._half_life / np.log(2.0))

    def advance(self, entering: Flags, leaving: list[Flags]) -> None:
        """Take in which rows have errors now, and had them one of `WIDTHS` buckets ago."""
        for i, gone in enumerate(leaving):
            self.recent[i] += entering.astype(np.float64) - gone

    def _expected(self, rows: Ints) -> Floats:
        share = (self.active[rows] + _SOME) / (self.seen[rows] + _BUCKETS)
        return np.asarray(share * np.array(WIDTHS)[:, None])

    def rarity(self, rows: Ints, errors: Floats) -> tuple[Floats, Ints]:
        """``-log10`` of how often a week a row is as active as now, and by which width.

        Minus infinity where a row is not remarkable: too few active buckets, or within three
        standard deviations of their mean.

        Args:
            rows: Rows to look at.
            errors: What they were expected to have, at the least, over each of `WIDTHS`.
        """
        seen, mean = self.recent[:, rows], np.maximum(self._expected(rows), errors)
        fano = (2.0 + self.deviation[:, rows]) / (2.0 + self.mean[:, rows])
        variance = mean * np.maximum(fano, 1.0) + 0.15 * mean**2
        gap = seen - mean
        worth = (
            (self.seen[rows] >= PATIENCE) & (seen >= LEAST) & (gap > 0) & (gap**2 > 9.0 * variance)
        )
        table = np.full(seen.shape, -np.inf)
        table[worth] = tails.surprise(seen[worth], mean[worth], variance[worth]) - self._chances
        return table.max(axis=0), table.argmax(axis=0)

    def learn(self, entering: Flags, free: Flags, at: int) -> None:
        """Learn one bucket, outages too: they weigh little, as a bucket counts once.

        Args:
            entering: Rows with errors now.
            free: Rows that could have had errors; others neither learn nor forget.
            at: Number of this bucket.
        """
        keep = np.where(free, 0.5 ** (1.0 / self._half_life), 1.0)
        self.active *= keep
        self.active += entering & free
        self.seen *= keep
        self.seen += free
        everyone = np.arange(free.size)
        for i, width in enumerate(WIDTHS):
            if at % width:
                continue
            fade = np.where(free, 0.5 ** (width / self._half_life), 1.0)
            mean = self._expected(everyone)[i]
            squares = np.minimum((self.recent[i] - mean) ** 2, _WINSOR * np.maximum(mean, 0.2))
            self.deviation[i] = fade * self.deviation[i] + np.where(free, squares, 0.0)
            self.mean[i] = fade * self.mean[i] + np.where(free, mean, 0.0)
