"""From surprise to alarm: peaks over a threshold, per row, shrunk to the pool of its group.

A tail law never fits real errors exactly, so its surprise ``z`` is not taken at face value. What
counts is how often a row (and rows of its kind) has been this surprising before. Exceedances of
``U`` are clustered (a cluster closes after quiet buckets), their peaks recorded, and the tail of
the peaks modelled as a generalised Pareto law (Coles, An Introduction to Statistical Modeling of
Extreme Values, 2001, chapter 4) with shape ``XI``::

    zeta = (n + 1) / (T + 1/zeta_g)        peaks a week
    sigma = (X + 4 sigma_g) / (n + 4)      their mean height over U
    R(z) = zeta (1 + XI (z - U) / sigma)^(-1/XI)    expected such peaks a week on this row

Peaks are winsorised at two sigma: outages, which are of all heights, would make every row of
their signal deaf for weeks, while a repeated harmless burst still desensitises its own row.
"""

from __future__ import annotations

import numpy as np

from models.contract import Columns, Floats, Ints

U = 3.0
"""Surprise above which a bucket belongs to a peak."""

XI = 0.25
"""Shape of the tail: clumps of errors are themselves of all sizes. 0.1 was too light: on clean
simulated traffic it promised one false incident a week where eighty came."""

_KIN = 10.0  # peaks that the rows of other signals count for, towards the height of a group
_FEW = 10.0  # peaks that the prior counts for, towards the height of a level
_USUAL = 1.0  # height of peaks before any was seen

_WINSOR = 2.0  # sigmas that one peak counts for at the most


class Peaks(Columns):
    """The past surprises of all rows.

    Args:
        week: Buckets in a week.
        quiet: Buckets without exceedance that close a cluster.
    """

    columns = ("count", "height", "peak", "last", "born", "zeta", "sigma")

    def __init__(self, week: float, quiet: int) -> None:
        self._week, self._quiet = week, quiet
        self.count: Floats = np.zeros(0)
        self.height: Floats = np.zeros(0)
        self.peak: Floats = np.zeros(0)  # of the cluster under way, 0 if none
        self.last: Ints = np.zeros(0, dtype=np.int64)
        self.born: Ints = np.zeros(0, dtype=np.int64)
        self.zeta: Floats = np.zeros(0)  # of the row's group
        self.sigma: Floats = np.zeros(0)

    def begin(self, row: int, born: int, like: tuple[float, float]) -> None:
        """Start ``row``, observed since bucket ``born``, with its group's (zeta, sigma)."""
        self.born[row] = born
        self.zeta[row], self.sigma[row] = like

    def rarity(self, rows: Ints, surprise: Floats, now: int) -> Floats:
        """``-log10`` of the expected number of such peaks a week on each of ``rows``."""
        weeks = (now - self.born[rows]) / self._week
        zeta = (self.count[rows] + 1.0) / (weeks + 1.0 / self.zeta[rows])
        sigma = (self.height[rows] + 4.0 * self.sigma[rows]) / (self.count[rows] + 4.0)
        over = np.maximum(surprise - U, 0.0)
        return np.asarray(-np.log10(zeta) + np.log10(1.0 + XI * over / sigma) / XI)

    def learn(self, rows: Ints, surprise: Floats, now: int) -> None:
        """Take in the exceedances of one bucket and close the clusters that went quiet."""
        over = surprise > U
        hot = rows[over]
        self.peak[hot] = np.maximum(self.peak[hot], surprise[over])
        self.last[hot] = now
        closing = np.flatnonzero((self.peak > 0) & (now - self.last > self._quiet))
        if closing.size:
            cap = _WINSOR * self.sigma[closing]
            self.count[closing] += 1.0
            self.height[closing] += np.minimum(self.peak[closing] - U, cap)
            self.peak[closing] = 0.0

    def pool(self, groups: Ints, levels: Ints, silent: Floats, now: int) -> tuple[Floats, Floats]:
        """(zeta, sigma) of every group from the peaks of its rows; also stored in them.

        How high peaks are is much the same for all signals of a mesh, so a group with few peaks
        borrows from all groups of its level.

        Args:
            groups: Group of each row; 0 belongs to no series.
            levels: Level of each group.
            silent: Per group, the weeks watched of all edges, most of which never showed the
                signal; 0 where only the rows count.
            now: The present bucket.
        """
        rows, size = np.flatnonzero(groups), silent.size
        kind = groups[rows]
        weeks = np.maximum(now - self.born[rows], 0) / self._week
        count = np.bincount(kind, weights=self.count[rows], minlength=size)
        height = np.bincount(kind, weights=self.height[rows], minlength=size)
        watched = np.bincount(kind, weights=weeks, minlength=size)
        zeta = (count + 2.0) / (np.maximum(watched, silent) + 1.0)
        most = np.bincount(levels, weights=height)
        peaks = np.bincount(levels, weights=count)
        usual = ((most + _FEW * _USUAL) / (peaks + _FEW))[levels]
        sigma = (height + _KIN * usual) / (count + _KIN)
        self.zeta[rows], self.sigma[rows] = zeta[kind], sigma[kind]
        return zeta, sigma
