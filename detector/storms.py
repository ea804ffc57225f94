"""Windows of reconnect storms: many proxies at once, though no control plane started."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import sqrt

import msgspec

from detector.ledger import CONNECTION_AGE, Event, Proxies
from detector.windows import WindowBook

SPAN = timedelta(seconds=30)
SYNCHRONISED = 5.0
"""gRPC varies the connection age by 10 % to either side. Proxies that once connected together
therefore come back within a fifth of it: five times the even rate is still ageing, no storm."""

AT_LEAST = 4
CALM = timedelta(seconds=10)


class StormState(msgspec.Struct):
    """All that a snapshot must keep."""

    recent: dict[str, datetime] = {}  # proxy -> its last reconnect, oldest first
    storm: str | None = None


class Storms:
    """Watches how many known proxies reconnect within half a minute."""

    def __init__(self, book: WindowBook, proxies: Proxies) -> None:
        self.state = StormState()
        self._book = book
        self._proxies = proxies

    def reconnect(self, event: Event) -> None:
        """A known proxy reconnected, outside of any takeover."""
        assert event.proxy is not None
        recent = self.state.recent
        recent.pop(event.proxy, None)
        recent[event.proxy] = event.time
        _forget(recent, event.time - SPAN)
        storm = self._book.get(self.state.storm)
        if storm is not None:
            storm.reconciled.setdefault(event.proxy, event.time)
            self._book.touch(storm, event.time)
        elif len(recent) >= self._limit():
            storm = self._book.open(
                "reconnect-storm",
                started_at=min(recent.values()),
                latest=event.time,
                expected=len(self._proxies.states),
                reason=f"{len(recent)} proxies reconnected within {SPAN.seconds} s",
                revision=event.revision,
            )
            storm.reconciled = dict(recent)
            self.state.storm = storm.id
            self._book.touch(storm)

    def settle(self, now: datetime) -> None:
        """End a storm once its rate has fallen to what ageing connections bring."""
        storm = self._book.get(self.state.storm)
        if storm is None:
            return
        recent = self.state.recent
        _forget(recent, now - CALM)
        if len(recent) < max(1.0, self._limit() * (CALM / SPAN)):
            self._book.close(storm)
            self.state.storm = None

    def _limit(self) -> float:
        """Reconnects in ``SPAN`` that ageing does not explain: Poisson, 6 sigma."""
        usual = SYNCHRONISED * len(self._proxies.states) * (SPAN / CONNECTION_AGE)
        return max(AT_LEAST, usual + 6 * sqrt(usual))


def _forget(recent: dict[str, datetime], before: datetime) -> None:
    while recent:
        oldest = next(iter(recent))
        if recent[oldest] >= before:
            return
        del recent[oldest]
