"""How much traffic is usual on an edge, and whether what is logged of it can be believed.

Failures are counted out of requests. When successes stop being logged (a telemetry filter keeps
errors only, a sampling rate was cut), the exposure collapses while errors go on, and every
habitual error would look like an outage. So for each edge the usual number of successes a bucket
is kept, ``u`` (forgetting, half-life `MEMORY`), beside the recent one, ``g`` (a mean over as many
buckets as it takes to see twenty, six at the most). Where ``g < u / 3`` the traffic has
*collapsed*, ``u`` is frozen, and two explanations are weighed by the likelihood ratio of Poisson
counts of the failures ``f`` that came since::

    L = sum f ln(u / g) - p (u - g)          p = the edge's share of failures

Above zero the failures fit the old traffic better than the logged one: the edge is *counted*, its
exposure presumed to be ``u``. Otherwise the traffic really fell; after half an hour that is the
usual level. An outage in which callers give up errs on the safe side: its failures exceed what
``u`` requests explain all the same.
"""

from __future__ import annotations

import numpy as np

from models.contract import Columns, Flags, Floats, Ints

MEMORY = 360
"""Buckets (with a bucket of 10 s, an hour) after which traffic weighs half in what is usual."""

COLLAPSE = 1 / 3
"""Share of the usual successes below which traffic has collapsed; day and night stay above it,
since what is usual follows them."""

LASTING = 180
"""Buckets after which a collapse that no failure explains otherwise is the new level."""

_RECENT = 6.0  # buckets that the recent level is a mean over at the most
_KNOWN = 90  # buckets after which the usual level is believed: a quarter of an hour
_LEAST = 20.0  # usual successes in so many buckets below which a collapse means nothing
_CLUMP = 3.0  # failures beyond twice the usual ones that one bucket counts for at the most
_FADE = 0.5 ** (1 / 180)  # per bucket: how the evidence is forgotten
_DAY = 0.5 ** (1 / 8640)  # per bucket: how the longest gap is forgotten
_FLOOR = 0.01


class Volumes(Columns):
    """The traffic of all edges, by row."""

    columns = ("usual", "recent", "since", "evidence", "heard", "longest", "seen")

    def __init__(self) -> None:
        self._keep = 0.5 ** (1 / MEMORY)
        self.usual: Floats = np.zeros(0)  # successes a bucket
        self.recent: Floats = np.zeros(0)
        self.since: Ints = np.zeros(0, dtype=np.int64)  # bucket of the collapse; 0: none
        self.evidence: Floats = np.zeros(0)  # L
        self.heard: Ints = np.zeros(0, dtype=np.int64)  # bucket of the last request
        self.longest: Floats = np.zeros(0)  # buckets of the longest silence so far, forgetting
        self.seen: Ints = np.zeros(0, dtype=np.int64)  # buckets that made the usual level

    def counted(self) -> Flags:
        """Edges whose exposure is presumed, since successes are no longer logged."""
        return np.asarray((self.since > 0) & (self.evidence > 0))

    def advance(self, requests: Floats, failures: Floats, share: Floats, now: int) -> Floats:
        """Take in one bucket of every edge; the requests to presume.

        Args:
            requests: Logged.
            failures: Of them.
            share: Failures per request that the baselines expect of the edge.
            now: The present bucket; later than 0.
        """
        if not requests.any():  # nobody at all was heard: no time has passed
            self.heard += self.heard > 0
            self.since += self.since > 0
            return requests
        good = np.maximum(requests - failures, 0.0)
        memory = np.clip(_LEAST / np.maximum(self.usual, 1e-9), 1.0, _RECENT)
        self.recent += (good - self.recent) / memory
        worth = (self.seen >= _KNOWN) & (self.usual * _RECENT >= _LEAST)
        collapsed = worth & (self.recent < COLLAPSE * self.usual)
        self._weigh(collapsed, failures, share, now)
        self._settle(now)
        learns = (self.since == 0) & ((self.seen > 0) | (requests > 0))
        rate = np.maximum(1.0 - self._keep, 1.0 / (self.seen + 1.0))
        self.usual += np.where(learns, rate * (good - self.usual), 0.0)
        self.seen += learns
        self._listen(requests > 0, now)
        return np.where(self.counted(), np.maximum(requests, self.usual + failures), requests)

    def _weigh(self, collapsed: Flags, failures: Floats, share: Floats, now: int) -> None:
        """Begin and end collapses, and weigh the failures since."""
        self.since = np.where(collapsed, np.where(self.since > 0, self.since, now), 0)
        low = np.maximum(np.minimum(self.recent, self.usual), _FLOOR * self.usual + _FLOOR)
        high = np.maximum(self.usual, low)
        count = np.minimum(failures, _CLUMP + 2.0 * share * high)
        step = count * np.log(high / low) - share * (high - low)
        self.evidence = np.where(collapsed, _FADE * self.evidence + step, 0.0)

    def _settle(self, now: int) -> None:
        """Believe a collapse that has lasted without a failure that contradicts it."""
        lasting = (self.since > 0) & (now - self.since >= LASTING) & (self.evidence <= 0)
        self.usual = np.where(lasting, self.recent, self.usual)
        self.since = np.where(lasting, 0, self.since)

    def _listen(self, heard: Flags, now: int) -> None:
        """Note who was heard, and the silences that ended."""
        gap = np.where(heard & (self.heard > 0), now - self.heard - 1, 0)
        self.longest = np.maximum(_DAY * self.longest, gap)
        self.heard[heard] = now
