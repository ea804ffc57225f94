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

    recent: list[tuple[datetime, str]] = []
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
        recent.append((event.time, event.proxy))
        while event.time - recent[0][0] > SPAN:
            recent.pop(0)
        storm = self._book.get(self.state.storm)
        if storm is not None:
            storm.reconciled.setdefault(event.proxy, event.time)
            self._book.touch(storm, event.time)
        elif len(recent) >= self._limit():
            storm = self._book.open(
                "reconnect-storm",
                started_at=recent[0][0],
                latest=event.time,
                expected=len(self._proxies.states),
                reason=f"{len(recent)} proxies reconnected within {SPAN.seconds} s",
                revision=event.revision,
            )
            storm.reconciled = {proxy: time for time, proxy in reversed(recent)}
            self.state.storm = storm.id
            self._book.touch(storm)

    def settle(self, now: datetime) -> None:
        """End a storm once its rate has fallen to what ageing connections bring."""
        storm = self._book.get(self.state.storm)
        if storm is None:
            return
        recent = self.state.recent
        while recent and now - recent[0][0] > CALM:
            recent.pop(0)
        if len(recent) < max(1.0, self._limit() * (CALM / SPAN)):
            self._book.close(storm)
            self.state.storm = None

    def _limit(self) -> float:
        """Reconnects in ``SPAN`` that ageing does not explain: Poisson, 6 sigma."""
        usual = SYNCHRONISED * len(self._proxies.states) * (SPAN / CONNECTION_AGE)
        return max(AT_LEAST, usual + 6 * sqrt(usual))
