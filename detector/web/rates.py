"""How often one client may ask: a bucket of tokens each, that fills as time goes."""

from __future__ import annotations

import math
from collections.abc import Callable

from detector import clock

MANY = 10_000
"""Clients remembered; when there are more, those that have not asked for long are forgotten."""


class Rates:
    """The buckets of all clients.

    Args:
        per_s: requests a second, for long.
        burst: requests at once.
        monotonic_s: the clock.
    """

    def __init__(
        self, per_s: float, burst: int, monotonic_s: Callable[[], float] = clock.monotonic_s
    ) -> None:
        self._per_s = per_s
        self._burst = burst
        self._monotonic_s = monotonic_s
        self._buckets: dict[str, tuple[float, float]] = {}  # client -> (left, when)

    def take(self, client: str) -> int:
        """Count a request.

        Returns:
            0 when it may go on, else the whole seconds until the next one may.
        """
        now = self._monotonic_s()
        left, when = self._buckets.pop(client, (float(self._burst), now))
        left = min(float(self._burst), left + (now - when) * self._per_s)
        fits = left >= 1.0
        self._buckets[client] = (left - 1.0 if fits else left, now)  # moves to the end
        if len(self._buckets) > MANY:
            del self._buckets[next(iter(self._buckets))]
        return 0 if fits else max(1, math.ceil((1.0 - left) / self._per_s))
