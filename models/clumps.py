"""How errors of a kind clump: what a row lends that has not shown its own clumps yet.

A pod that dies takes fifty requests with it; how many is a matter of the signal and the mesh more
than of the edge. Of a compound Poisson count with clumps c the variance is E[c^2] / E[c] times the
mean (Feller, An Introduction to Probability Theory, vol. 1, 1968, chapter XII), so

    f = (sum c^2 + 3 n0) / (sum c + 1.5 n0) - 1

is how much of the mean comes on top of a Poisson row's variance. Clumps are read where next to
nothing was expected, as two rarely fall together there. The prior, ``n0`` clumps that are geometric
with mean 1.5, makes f 1.
"""

from __future__ import annotations

import numpy as np

from models.contract import Flags, Floats, Ints, State
from models.spans import SPANS

SPARSE = 0.3
"""Expected errors up to which what came is one clump."""

_PRIOR = 10.0  # n0
_WINSOR = 8.0  # mean clumps that one counts as at the most


class Clumps:
    """Clumps of every group of rows, on every scale of `models.spans`.

    Args:
        half_life: Buckets after which a clump weighs half.
    """

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.count: Floats = np.zeros((len(SPANS), 0))  # scales x groups
        self.total: Floats = np.zeros((len(SPANS), 0))
        self.square: Floats = np.zeros((len(SPANS), 0))

    def learn(self, recent: Floats, awaited: Floats, at: int, groups: Ints, teaches: Flags) -> None:
        """Take in the spans that end with bucket ``at``.

        Args:
            recent: Errors of each row, one line per scale.
            awaited: Those expected.
            at: Number of buckets seen.
            groups: Group of each row.
            teaches: Rows to learn from.
        """
        self._reach(int(groups.max(initial=0)))
        size = self.count.shape[1]
        for i, span in enumerate(SPANS):
            if at % span:
                continue
            rows = np.flatnonzero(teaches & (recent[i] > 0.5) & (awaited[i] < SPARSE))
            keep = 0.5 ** (span / self._half_life)
            for sums in (self.count, self.total, self.square):
                sums[i] *= keep
            of = groups[rows]
            usual = (self.total[i] + 1.5 * _PRIOR) / (self.count[i] + _PRIOR)
            clump = np.minimum(recent[i, rows], _WINSOR * usual[of])
            self.count[i] += np.bincount(of, minlength=size)
            self.total[i] += np.bincount(of, weights=clump, minlength=size)
            self.square[i] += np.bincount(of, weights=clump**2, minlength=size)

    def factors(self, groups: Ints) -> Floats:
        """The f of each of ``groups``, one line per scale."""
        self._reach(int(groups.max(initial=0)))
        clumps = (self.square + 3.0 * _PRIOR) / (self.total + 1.5 * _PRIOR)
        return np.asarray(clumps[:, groups] - 1.0)

    def _reach(self, group: int) -> None:
        """Make room for ``group``."""
        missing = group + 1 - self.count.shape[1]
        if missing <= 0:
            return
        more = ((0, 0), (0, missing))
        self.count = np.pad(self.count, more)
        self.total = np.pad(self.total, more)
        self.square = np.pad(self.square, more)

    def state(self) -> State:
        """All sums."""
        return {"count": self.count, "total": self.total, "square": self.square}

    def load(self, state: State) -> None:
        """Become what `state` described."""
        self.count = state["count"].astype(np.float64)
        self.total = state["total"].astype(np.float64)
        self.square = state["square"].astype(np.float64)
