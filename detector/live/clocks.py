"""Pods whose lines bear times that differ from everybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from statistics import median
from typing import NamedTuple

AHEAD_S = 10.0
"""A line cannot be written before it happens; clocks under NTP agree within a second."""
BEHIND_S = 120.0
"""A shipper may hold lines back for a minute or two when its node is loaded."""
AT_LEAST = 3
"""Pods without which nothing can be said of what is usual, and sights of one that count."""
MAX_PODS = 20_000


class Skew(NamedTuple):
    """A pod whose times differ."""

    pod: str
    seconds: float  # above zero: ahead of the others


class Clocks:
    """How far the newest line of each pod is from our clock, over one stretch of time."""

    def __init__(self) -> None:
        self._distances: dict[str, list[float]] = {}

    def hear(self, newest: Iterable[tuple[str, datetime]], now: datetime) -> None:
        """Note the newest lines of a batch that was just read from the end of its partition."""
        for pod, time in newest:
            if pod in self._distances or len(self._distances) < MAX_PODS:
                self._distances.setdefault(pod, []).append((time - now).total_seconds())

    def take(self) -> list[Skew]:
        """Pods that differ from the middle of all in every sight; begins anew."""
        distances, self._distances = self._distances, {}
        if len(distances) < AT_LEAST:
            return []
        middle = median(median(one) for one in distances.values())
        found = []
        for pod, seen in sorted(distances.items()):
            off = [one - middle for one in seen]
            if len(off) >= AT_LEAST and (min(off) > AHEAD_S or max(off) < -BEHIND_S):
                found.append(Skew(pod, median(off)))
        return found
