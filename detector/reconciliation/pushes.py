"""Windows of full configuration pushes, of storms of them, and of refusals (NACK).

Endpoint-only pushes come every few seconds in steady state and open nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import sqrt

import msgspec

from detector.reconciliation.events import Event
from detector.reconciliation.proxies import STEADY_AFTER, Proxies
from detector.reconciliation.proxy_state import SAME_CONNECTION
from detector.reconciliation.windows import WindowBook

REPLICAS = timedelta(seconds=3)
"""Every istiod replica announces the same change within this time of the first."""

REACH = timedelta(seconds=30)
"""A full push to one proxy later than this after an announcement belongs to another one."""

DONE = timedelta(seconds=2)
QUIET = timedelta(seconds=10)
"""A push ends when all its proxies have it and ``DONE`` passes, or nobody got it for ``QUIET``."""

REASON = timedelta(seconds=2)
STORM_SPAN = timedelta(seconds=60)
STORM_AT_LEAST = 6
STORM_HISTORY = timedelta(minutes=30)
"""A storm is more full pushes a minute than the usual rate explains (Poisson, 5 sigma), and at
least 6; the usual rate is that of the time before, taken as half an hour at the least."""

MAX_RECENT = 200
NACK_QUIET = timedelta(seconds=60)


class PushState(msgspec.Struct):
    """All that a snapshot must keep."""

    push: str | None = None
    announced_at: datetime | None = None
    istiods: set[str] = set()
    change: str | None = None  # what the last debounce named as its reason
    changed_at: datetime | None = None
    storm: str | None = None
    recent: list[datetime] = []  # announcements of the last minute
    counted: int = 0  # announcements before those
    nack: str | None = None


class Pushes:
    """Follows announcements, who got them and who refused."""

    def __init__(self, book: WindowBook, proxies: Proxies) -> None:
        self.state = PushState()
        self._book = book
        self._proxies = proxies

    def change(self, event: Event) -> None:
        """A debounce or a config change: the reason of the push that follows."""
        if event.reason:
            self.state.change, self.state.changed_at = event.reason, event.time

    def announce(self, event: Event, *, observed: timedelta) -> None:
        """A full push to all proxies begins."""
        state = self.state
        draft = self._book.get(state.push)
        if (
            draft is not None
            and state.announced_at is not None
            and abs(event.time - state.announced_at) <= REPLICAS
        ):
            istiod = event.istiod or ""
            if istiod not in state.istiods and event.istiod is not None:
                draft.expected += event.proxies or 0
                state.istiods.add(istiod)
            self._book.touch(draft, event.time)
            return
        if draft is not None:
            self._book.close(draft)
        expected = event.proxies
        if expected is None:
            expected = len(self._proxies.served(event.time, left_within=timedelta(0)))
        state.announced_at = event.time
        state.istiods = {event.istiod or ""}
        state.push = None
        if event.proxies != 0:
            state.push = self._book.open(
                "push",
                started_at=event.time,
                latest=event.time,
                expected=expected,
                reason=self._reason(event),
                versions=(event.version, event.version),
                revision=event.revision,
            ).id
            self._name_configuration(event)
        self._count(event.time, observed)

    def unannounced(self, event: Event) -> bool:
        """Whether a full push to one proxy is the first word of a push to all.

        Some sources tell of pushes proxy by proxy only. What follows a connection answers it.
        """
        draft = self._book.get(self.state.push)
        if not event.full or event.request or event.kind != "push" or event.proxy is None:
            return False
        connected_at = self._proxies.states[event.proxy].connected_at
        answer = connected_at is not None and event.time - connected_at <= REACH
        return not answer and (draft is None or event.time - draft.started_at > REACH)

    def reach(self, event: Event) -> None:
        """A proxy was pushed, or acknowledged: it has taken on the push that is going on."""
        state = self.state
        draft = self._book.get(state.push)
        if draft is None or event.proxy is None or event.request or event.full is False:
            return
        age = event.time - draft.started_at
        if age < timedelta(0) or (event.is_steady() and age > STEADY_AFTER):
            return
        connected_at = self._proxies.states[event.proxy].connected_at
        if connected_at is not None and connected_at >= draft.started_at - SAME_CONNECTION:
            return
        draft.reconcile(event.proxy, event.time)
        draft.expected = max(draft.expected, len(draft.reconciled))
        self._book.touch(draft, event.time)

    def refuse(self, event: Event) -> None:
        """A proxy refused a push (NACK): counted in the push, and a window of its own."""
        assert event.proxy is not None
        push = self._book.get(self.state.push)
        if push is not None:
            push.refuse(event.proxy)
            self._book.touch(push)
        draft = self._book.get(self.state.nack)
        if draft is None:
            kind = f"{event.type} " if event.type else ""
            draft = self._book.open(
                "nack",
                started_at=event.time,
                latest=event.time,
                expected=1,
                reason=f"proxies refuse {kind}configuration: {event.error or 'no reason given'}",
                versions=(event.version, event.version),
                revision=event.revision,
            )
            self.state.nack = draft.id
        draft.refuse(event.proxy)
        draft.reconcile(event.proxy, event.time)
        draft.expected = len(draft.refused)
        self._book.touch(draft, event.time)

    def accept(self, event: Event) -> None:
        """A proxy acknowledged: once all that refused have, the refusal is over."""
        draft = self._book.get(self.state.nack)
        if draft is None or event.proxy not in draft.refused:
            return
        states = self._proxies.states
        still = [
            name
            for name in draft.refused
            if (proxy := states.get(name)) is not None
            and proxy.nacked_at is not None
            and (proxy.acked_at is None or proxy.acked_at <= proxy.nacked_at)
        ]
        if not still:
            self._book.close(draft, event.time)
            self.state.nack = None

    def settle(self, now: datetime) -> None:
        """End what is over."""
        state = self.state
        draft = self._book.get(state.push)
        if draft is not None:
            quiet = now - draft.latest
            share = len(draft.reconciled) / max(1, draft.expected)
            complete = share >= self._book.settings.complete_share and quiet >= DONE
            if complete or quiet >= QUIET:
                self._book.close(draft)
                state.push = None
        nack = self._book.get(state.nack)
        if nack is not None and now - nack.latest >= NACK_QUIET:
            self._book.close(nack)
            state.nack = None
        self._settle_storm(now)

    def _count(self, time: datetime, observed: timedelta) -> None:
        state = self.state
        self._forget_counted(time)
        state.recent = [*state.recent[-MAX_RECENT:], time]
        usual = state.counted * (STORM_SPAN / max(observed, STORM_HISTORY))
        storm = self._book.get(state.storm)
        if storm is not None:
            storm.expected = max(storm.expected, len(state.recent))
            self._book.touch(storm, time)
        elif len(state.recent) >= max(STORM_AT_LEAST, usual + 5 * sqrt(usual)):
            state.storm = self._book.open(
                "push-storm",
                started_at=state.recent[0],
                latest=time,
                expected=len(self._proxies.served(time, left_within=timedelta(0))),
                reason=f"{len(state.recent)} full pushes within a minute",
            ).id

    def _settle_storm(self, now: datetime) -> None:
        storm = self._book.get(self.state.storm)
        if storm is None:
            return
        self._forget_counted(now)
        if len(self.state.recent) < STORM_AT_LEAST // 2:
            self._book.close(storm)
            self.state.storm = None

    def _forget_counted(self, now: datetime) -> None:
        recent = self.state.recent
        kept = [time for time in recent if now - time <= STORM_SPAN]
        self.state.counted += len(recent) - len(kept)
        self.state.recent = kept

    def _reason(self, event: Event) -> str:
        told = self._trigger(event)
        return f"full push for {told}" if told else "full push"

    def _trigger(self, event: Event) -> str | None:
        """What the debounce before a push named, or else the push itself."""
        state = self.state
        just = state.changed_at is not None and abs(event.time - state.changed_at) <= REASON
        return state.change if just else event.reason

    def _name_configuration(self, event: Event) -> None:
        """Note the kind of what changed: that of "VirtualService/shop/cart" is VirtualService."""
        draft = self._book.get(self.state.push)
        kind = (self._trigger(event) or "").partition("/")[0].strip()
        if draft is not None and kind.isalpha():
            draft.configuration = kind
