"""One number to promise: false incidents a week over the whole mesh.

`models.calibration` says how rare a peak is on its own row. Rows overlap (an edge, its destination,
its caller), several scales are tried, tail laws are approximate: multiplying by the number of
rows promises too little or too much, by decades. So the mesh's own past decides a second time. Of
every ten minutes the highest rarity L is kept that any row reached which could have alarmed (block
maxima: Coles, An Introduction to Statistical Modeling of Extreme Values, 2001, chapter 3); so one
cause counts once, however many rows it moves. The rate of such blocks is modelled as

    r(L) = r_u 10^(-b (L - u)),        r_u = (n + 1) / (T + 1 / (K 10^-u))    a week

above the level ``u`` that at most a share `BUSY` of all blocks exceeds (it is `FLOOR` unless a mesh
is large and unruly); the limit is where r(L) is the budget.
The slope ``b`` is the maximum likelihood of an exponential law *truncated* at ``u`` + `REACH`
(Cohen, Truncated and Censored Samples, 1991): higher ones may be faults, and faults, whether they
were found or missed, must neither count nor make the mesh deaf. It is pulled towards 1, as if the
rarities were exact, with the weight of `KIN` blocks. Before anything was seen the limit is that of
Bonferroni, log10(K / budget); it never exceeds that by more than a decade.
"""

from __future__ import annotations

import numpy as np

from models.contract import Floats, State

FLOOR = 0.5
"""Rarity from which a block is remembered."""

BUSY = 0.3
"""Share of blocks that the tail is fitted to at the most: enough that faults, even several a day,
stay a minority among them, few enough that a block rarely holds two."""

REACH = 1.5
"""Decades above the level within which blocks are taken for ordinary."""

KIN = 8.0
"""Blocks that the prior slope counts for."""

KEPT = 4000
"""Blocks remembered: those of four weeks at the least."""

_STEEPEST, _FLATTEST = 4.0, 0.5


class Promise:
    """The limit on rarities that keeps the promise.

    Args:
        week: Buckets in a week.
        block: Buckets in ten minutes.
    """

    def __init__(self, week: float, block: int) -> None:
        self._week, self._block = week, block
        self._at, self._highest = -1, 0.0  # the block under way
        self._ended: list[tuple[int, float]] = []  # block, and its highest rarity

    def watch(self, highest: float, now: int) -> None:
        """Take in the highest rarity of the rows that could alarm, `FLOOR` or more, in a bucket."""
        if now // self._block != self._at:
            if self._at >= 0:
                self._ended.append((self._at, self._highest))
                del self._ended[:-KEPT]
            self._at, self._highest = now // self._block, 0.0
        self._highest = max(self._highest, highest)

    def limit(self, rows: float, budget: float, age: int, now: int) -> float:
        """Rarity that ``budget`` false incidents a week leave for an alarm.

        Args:
            rows: K, how many rows could alarm.
            budget: False incidents a week.
            age: Buckets since the first of the mesh.
            now: The present bucket.
        """
        nominal = float(np.log10(rows / budget))
        since = self._ended[0][0] * self._block if len(self._ended) == KEPT else now - age
        weeks = max(now - since, 1) / self._week
        peaks = np.sort(np.array([highest for _, highest in self._ended]))[::-1]
        most = max(int(BUSY * weeks * self._week / self._block), 1)
        level = float(peaks[most]) if peaks.size > most else FLOOR
        over = peaks[(peaks > level) & (peaks <= level + REACH)] - level
        rate = (over.size + 1.0) / (weeks + 10.0**level / rows)
        limit = level + max(float(np.log10(rate / budget)), 0.0) / _slope(over)
        return min(limit, max(nominal, 0.0) + 1.0)

    def state(self) -> State:
        """All blocks."""
        return {
            "block": np.array([self._at, self._highest]),
            "ended": np.array(self._ended, dtype=np.float64).reshape(-1, 2),
        }

    def load(self, state: State) -> None:
        """Become what `state` described."""
        at, self._highest = state["block"].astype(np.float64).tolist()
        self._at = int(at)
        ended = state["ended"].astype(np.float64).tolist()
        self._ended = [(int(at), highest) for at, highest in ended]


def _slope(over: Floats) -> float:
    """Decades of rate per decade of rarity, of excesses truncated at `REACH`.

    The mean of an exponential law of rate k truncated at c is 1/k - c / (e^(kc) - 1), which falls
    in k: bisection finds the k of the observed mean.
    """
    prior = float(np.log(10.0))
    mean = (float(over.sum()) + KIN * _truncated_mean(prior)) / (over.size + KIN)
    low, high = _FLATTEST * prior, _STEEPEST * prior
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _truncated_mean(middle) > mean else (low, middle)
    return low / prior


def _truncated_mean(rate: float) -> float:
    return float(1.0 / rate - REACH / np.expm1(rate * REACH))
