"""Clocks that disagree: the same connection, told by istiod and by the proxy's own agent.

The two lie within milliseconds of each other. When an istiod's connections are told by their
agents with one and the same distance, seconds or more, it is not the connections that differ.
"""

from __future__ import annotations

from datetime import timedelta
from statistics import median

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


class Skews:
    """Distances between the two tellings, by istiod; the newest ones."""

    def __init__(self) -> None:
        self.state: dict[str, list[float]] = {}
        self._told: dict[str, tuple[Event, bool]] = {}  # proxy -> its last connect, and who told

    def connect(self, event: Event) -> None:
        """A connection was told (``event.proxy`` is set)."""
        assert event.proxy is not None
        own = event.source in _OWN
        other = self._told.get(event.proxy)
        if other is None or other[1] == own or event.time - other[0].time > REACH:
            if len(self._told) > 100_000:
                self._told.clear()
            self._told[event.proxy] = event, own
            return
        del self._told[event.proxy]
        distance = (event.time - other[0].time).total_seconds()
        istiod = (other[0] if own else event).istiod or ""
        if istiod not in self.state and len(self.state) >= MAX_ISTIODS:
            self.state.clear()
        self.state[istiod] = [*self.state.get(istiod, []), distance if own else -distance][-KEPT:]

    def of(self, istiod: str) -> float | None:
        """Seconds by which the agents' clocks are ahead of an istiod's; None if they agree."""
        known = self.state.get(istiod, [])
        if len(known) < AT_LEAST:
            return None
        middle = median(known)
        near = sum(abs(one - middle) <= SPREAD_S for one in known)
        return round(middle, 1) if abs(middle) >= NOTICED_S and near >= 0.8 * len(known) else None
