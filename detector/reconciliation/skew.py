"""Clocks that disagree: the same connection, told by istiod and by the proxy's own agent.

The two lie within milliseconds of each other. When an istiod's connections are told by their
agents with one and the same distance, seconds or more, it is not the connections that differ.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from detector.reconciliation.events import Event

REACH = timedelta(seconds=120)
"""Two tellings further apart than this are of two connections."""

NOTICED_S = 2.0
"""Less is the time that a connection takes to be told, by a loaded agent."""

SPREAD_S = 1.0
AT_LEAST = 5
KEPT = 32
MAX_ISTIODS = 256

_OWN = frozenset({"agent-log"})


class _Telling(NamedTuple):
    time: datetime
    own: bool
    istiod: str | None


class Skews:
    """Distances between the two tellings, by istiod; the newest ones."""

    def __init__(self) -> None:
        self.state: dict[str, list[float]] = {}
        self._told: dict[str, _Telling] = {}  # of each proxy's last connect that one alone told
        self._swept: datetime | None = None

    def connect(self, name: str, event: Event) -> None:
        """A connection of the proxy ``name`` was told."""
        telling = _Telling(event.time, event.source in _OWN, event.istiod)
        other = self._told.pop(name, None)
        if other is None or other.own == telling.own or telling.time - other.time > REACH:
            self._told[name] = telling
            self._sweep(event.time)
            return
        own, istiods = (telling, other) if telling.own else (other, telling)
        istiod = istiods.istiod or ""
        if istiod not in self.state and len(self.state) >= MAX_ISTIODS:
            self.state.clear()
        distance = (own.time - istiods.time).total_seconds()
        self.state[istiod] = [*self.state.get(istiod, []), distance][-KEPT:]

    def _sweep(self, now: datetime) -> None:
        """Forget what nobody else will tell any more; where only one source tells, that is all."""
        if self._swept is not None and now - self._swept < REACH:
            return
        self._swept = now
        self._told = {name: one for name, one in self._told.items() if now - one.time <= REACH}

    def of(self, istiod: str) -> float | None:
        """Seconds by which the agents' clocks are ahead of an istiod's; None if they agree."""
        known = self.state.get(istiod, [])
        if len(known) < AT_LEAST:
            return None
        middle = median(known)
        near = sum(abs(one - middle) <= SPREAD_S for one in known)
        return round(middle, 1) if abs(middle) >= NOTICED_S and near >= 0.8 * len(known) else None
