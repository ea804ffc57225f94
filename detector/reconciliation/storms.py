"""Windows of reconnect storms: many proxies come back at once, though no control plane started."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import sqrt

import msgspec

from detector.reconciliation.events import Event
from detector.reconciliation.proxies import CONNECTION_AGE, Before, Proxies
from detector.reconciliation.windows import WindowBook

SPAN = timedelta(seconds=30)
AT_LEAST = 4
SIGMAS = 6.0

DRAIN = timedelta(minutes=5)
"""A proxy that was told to end is gone within this time: a pod's grace period, and some."""

AGED = (0.87 * CONNECTION_AGE, 1.13 * CONNECTION_AGE)
"""gRPC varies the connection age by 10 % to either side. A proxy that comes back at that age
comes because of it, and proxies that once connected together come back together."""


_OWN_LINES = frozenset({"agent-log", "envoy-log"})
"""Sources that speak for a proxy alone, and know nothing of the control plane's doings."""


class StormState(msgspec.Struct):
    """All that a snapshot must keep."""

    recent: dict[str, datetime] = {}  # proxy -> its last early reconnect, oldest first
    counted: int = 0  # early reconnects ever
    storm: str | None = None
    enough: int = 0  # how many opened it
    leaving: dict[str, datetime] = {}  # proxies that were told to end


class Storms:
    """Watches how many known proxies reconnect early within half a minute."""

    def __init__(self, book: WindowBook, proxies: Proxies) -> None:
        self.state = StormState()
        self._book = book
        self._proxies = proxies

    def leave(self, event: Event) -> None:
        """A proxy is told to end: it will not come back from the disconnect that follows."""
        assert event.proxy is not None
        leaving = self.state.leaving
        leaving.pop(event.proxy, None)
        leaving[event.proxy] = event.time
        _forget(leaving, event.time - DRAIN)

    def lose(self, event: Event, before: Before, *, observed: timedelta) -> None:
        """Envoy lost its stream and will open the next one: as good as a reconnect of its own.

        Below Istio 1.9 nothing else in a proxy's log tells of it.
        """
        assert event.proxy is not None
        if event.proxy not in self.state.leaving:
            self.reconnect(event, before, observed=observed)

    def reconnect(self, event: Event, before: Before, *, observed: timedelta) -> None:
        """A known proxy reconnected, outside of any takeover."""
        assert event.proxy is not None
        if before.connected_at is not None:
            age = event.time - before.connected_at
            if AGED[0] <= age <= AGED[1]:
                return
        recent = self.state.recent
        recent.pop(event.proxy, None)
        recent[event.proxy] = event.time
        _forget(recent, event.time - SPAN)
        storm = self._book.get(self.state.storm)
        if storm is not None:
            storm.reconcile(event.proxy, event.time)
            self._book.touch(storm, event.time)
        elif len(recent) >= self._limit(observed):
            storm = self._book.open(
                "reconnect-storm",
                started_at=min(recent.values()),
                latest=event.time,
                expected=len(self._proxies.states),
                reason=f"{len(recent)} proxies reconnected early within {SPAN.seconds} s",
                revision=event.revision,
            )
            storm.inferred = event.source in _OWN_LINES
            storm.reconciled = dict(recent)
            self.state.storm, self.state.enough = storm.id, len(recent)
            self._book.touch(storm)
        self.state.counted += 1

    def settle(self, now: datetime) -> None:
        """End a storm once fewer than half as many as opened it came within the span."""
        storm = self._book.get(self.state.storm)
        if storm is None:
            return
        recent = self.state.recent
        _forget(recent, now - SPAN)
        if len(recent) < self.state.enough / 2:
            self._book.close(storm)
            self.state.storm = None

    def _limit(self, observed: timedelta) -> float:
        """Early reconnects in ``SPAN`` that are not usual: Poisson, 6 sigma, and at least 4.

        Usual is the rate seen so far, and at least that of an evenly ageing mesh: where the
        connection age is configured otherwise, all reconnects look early.
        """
        even = len(self._proxies.states) * (SPAN / CONNECTION_AGE)
        seen = self.state.counted * (SPAN / max(observed, CONNECTION_AGE))
        usual = max(even, seen)
        return max(AT_LEAST, usual + SIGMAS * sqrt(usual))


def _forget(recent: dict[str, datetime], before: datetime) -> None:
    while recent:
        oldest = next(iter(recent))
        if recent[oldest] >= before:
            return
        del recent[oldest]
