"""Failures out of requests: one gamma-Poisson rate per series, with pooled priors.

The rate of row k is ``p = (a + a0) / (b + a0 / p0 / (1 + a)^2)``: ``a`` failures among ``b``
requests, both forgotten with a half-life in *buckets with traffic* (a nightly job must not forget
by day), and a prior worth ``a0`` failures at the rate ``p0`` of its group. Rates differ by decades
between edges, so the prior yields to evidence faster than a conjugate one would: with ``a``
failures seen, its requests count ``(1 + a)^2`` times less. Groups are signals; ``p0`` starts
from what the domain knows of a signal and follows what the mesh shows of it (`Rates.pool`).
"""

from __future__ import annotations

import numpy as np

from models.contract import Columns, Flags, Floats, Ints

PRIOR_FAILURES = 0.3
"""a0: how many failures the prior is worth."""

_RATE_FLOOR, _RATE_CEILING = 1e-8, 0.02
_ALL = slice(None)
_DOMAIN_WEIGHT = 3.0  # the domain's prior counts like three edges of the mesh


class Rates(Columns):
    """Failure rates of all rows.

    Args:
        half_life: Buckets with traffic after which an observation weighs half.
    """

    columns = ("failures", "requests", "prior")

    def __init__(self, half_life: float) -> None:
        self._keep = 0.5 ** (1.0 / half_life)
        self.failures: Floats = np.zeros(0)
        self.requests: Floats = np.zeros(0)
        self.prior: Floats = np.zeros(0)  # p0; 0 marks a row without a rate of its own

    def begin(self, row: int, prior: float, requests: float) -> None:
        """Start ``row``: never a failure among the ``requests`` its edge has seen."""
        self.failures[row] = 0.0
        self.requests[row] = requests
        self.prior[row] = prior

    def rate(self, rows: Ints | slice = _ALL) -> Floats:
        """Failures per request of ``rows``, in [0, 1]."""
        known = np.maximum(self.prior[rows], _RATE_FLOOR)
        failures = self.failures[rows]
        before = PRIOR_FAILURES / known / (1.0 + failures) ** 2
        rate = (failures + PRIOR_FAILURES) / (self.requests[rows] + before)
        return np.asarray(np.minimum(rate, 1.0))

    def learn(self, failures: Floats, exposure: Floats, held: Flags) -> None:
        """Add one bucket. Rows without exposure and ``held`` rows neither learn nor forget."""
        active = (exposure > 0) & ~held
        keep = np.where(active, self._keep, 1.0)
        self.failures *= keep
        self.failures += np.where(active, failures, 0.0)
        self.requests *= keep
        self.requests += np.where(active, exposure, 0.0)

    def replace(self, row: int, failures: float, exposure: float, weight: float) -> None:
        """Accept a new level: the recent ``failures`` out of ``exposure``, ``weight`` times."""
        self.failures[row] = weight * failures
        self.requests[row] = weight * max(exposure, failures)

    def pool(self, groups: Ints, domain: Floats, edges: Floats) -> Floats:
        """New ``p0`` of every group; also stored in its rows.

        The geometric mean of the rates of a group over *all* edges: an edge that never showed
        the signal has no row and counts with zero failures.

        Args:
            groups: Group of each row, 0 where a row has no rate.
            domain: What the domain knows: a prior rate per group.
            edges: Requests (forgotten alike) of every edge.
        """
        rows = np.flatnonzero(groups)
        sums = np.bincount(
            groups[rows], weights=np.log(self.failures[rows] / 0.05 + 1.0), minlength=domain.size
        )
        silent = np.log(0.05 / (edges + 1000.0)).sum()
        logs = (sums + silent + _DOMAIN_WEIGHT * np.log(domain)) / (edges.size + _DOMAIN_WEIGHT)
        pooled = np.clip(np.exp(logs), _RATE_FLOOR, _RATE_CEILING)
        self.prior[rows] = pooled[groups[rows]]
        return np.asarray(pooled)
