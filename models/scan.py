"""Do errors over many edges come at each proxy's own reconcile? A scan that needs few of them.

A fault of an upgrade may cost every proxy a handful of requests at the moment it changes over: too
few on any edge and too thin in any stretch of time for a count to be surprising. Lined up with the
time at which *that* proxy reconciled, they fall into one narrow span. For each edge, with A errors
in that span and m expected there, the evidence is::

    e = max(0, -log10 P(NB(m, 2.5 m) >= A) - 1.5)     where A >= 60 % of the edge's errors

and the scan fires when the evidence of all edges exceeds 5 decades. Summing what exceeds an
allowance is the higher-criticism idea for weak effects on many places (Donoho and Jin, Annals of
Statistics 32, 2004); allowance, limit and the factor 2.5 are those of the prototype, which were
found on simulated meshes. Unlike there, edges with one error count: faults of 28 errors over 21
edges would otherwise be invisible.
"""

from __future__ import annotations

import numpy as np

from models import tails
from models.contract import Flags, Floats

FAULT_S = 6.0
"""How long after its own reconcile a proxy may go on failing: recordings of real proxies show up
to 5 s, and 1 s is allowed for clocks that disagree (on the other side as well)."""

_CLOCKS_S = 1.0
_ALLOWANCE = 1.5
_SHARE = 0.6
_CLUMPING = 2.5
_FLOOR = 0.01  # expected errors below which no expectation is believed
EVIDENCE = 5.0
"""Decades above which the evidence of all edges together is an alarm."""

CHANCE = 1 / 3
"""Where more of the proxies than this reconcile within one span, being aligned says little."""


def aligned(starts: Floats, own: Floats, bucket_s: float) -> Flags:
    """Whether buckets that begin at ``starts`` can hold errors of a reconcile at ``own``.

    Times are seconds on one clock; ``own`` is NaN where the proxy has not reconciled.

    >>> aligned(np.array([90.0, 89.0, 88.0, 106.0, 107.0]), np.full(5, 100.0), 10.0).tolist()
    [True, True, False, True, False]
    """
    offset = starts - own
    return np.asarray((offset >= -bucket_s - _CLOCKS_S) & (offset <= FAULT_S))


def by_chance(starts: Floats, resets: Floats, proxies: int, bucket_s: float) -> Floats:
    """Share of ``proxies`` whose reconcile, at sorted ``resets``, each of ``starts`` aligns with.

    >>> by_chance(np.array([100.0]), np.array([50.0, 95.0, 101.0, 105.0]), 12, 10.0).tolist()
    [0.25]
    """
    inside = np.searchsorted(resets, starts + bucket_s + _CLOCKS_S, "right")
    inside = inside - np.searchsorted(resets, starts - FAULT_S, "left")
    return np.asarray(inside / max(proxies, resets.size, 1))


def expected(per_bucket: Floats, bucket_s: float) -> Floats:
    """Errors expected within the spans of all proxies of an edge that has ``per_bucket`` of them.

    Each proxy is looked at for as long as `aligned` reaches, and has its share of the errors.
    """
    return np.asarray(per_bucket * (bucket_s + _CLOCKS_S + FAULT_S) / bucket_s + _FLOOR)


def evidence(hits: Floats, errors: Floats, mean: Floats) -> Floats:
    """Decades by which each edge speaks for the window.

    Args:
        hits: Aligned errors of each edge.
        errors: All its errors since the window began.
        mean: Aligned errors expected.

    >>> one = np.ones(3)
    >>> evidence(one, np.array([1.0, 2.0, 1.0]), np.array([0.01, 0.01, 1.0])).round(2).tolist()
    [0.5, 0.0, 0.0]
    """
    z = tails.surprise(hits, mean, _CLUMPING * mean)
    counts = (hits >= 1.0) & (hits >= _SHARE * errors)
    return np.asarray(np.where(counts, np.maximum(z - _ALLOWANCE, 0.0), 0.0))
