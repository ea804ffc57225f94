"""How many requests each edge carried: the exposure that failures are counted out of."""

from __future__ import annotations

import numpy as np

from models.contract import Columns, Flags, Floats, Ints, Singles
from models.spans import DEPTH

BURN_IN = (3, 30.0)
"""Buckets with traffic, and requests, before an edge is judged: what fails from its first request
on is how it is, not news."""


class Exposure(Columns):
    """Requests per bucket of all edges, over the longest span.

    Args:
        half_life: Buckets with traffic after which a request weighs half, as in `Rates`.
    """

    columns = ("requests", "volume", "born", "seen")

    def __init__(self, half_life: float) -> None:
        self._keep = 0.5 ** (1.0 / half_life)
        self.requests: Singles = np.zeros((DEPTH, 0), dtype=np.float32)  # ring
        self.volume: Floats = np.zeros(0)  # forgetting sum
        self.born: Ints = np.zeros(0, dtype=np.int64)  # bucket of the first request
        self.seen: Ints = np.zeros(0, dtype=np.int64)  # buckets with requests

    def judged(self) -> Flags:
        """Which edges are past their burn-in: `BURN_IN` buckets and requests."""
        buckets, requests = BURN_IN
        return np.asarray((self.seen > buckets) & (self.volume >= requests))

    def advance(self, slot: int, requests: Floats) -> None:
        """Take in one bucket of requests of every edge, at ring position ``slot``."""
        active = requests > 0
        self.requests[slot] = requests
        self.volume *= np.where(active, self._keep, 1.0)
        self.volume += requests
        self.seen += active
