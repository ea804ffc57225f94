"""What is known of each istiod: its version, when it started, how often it pushed.

Push counters tell of a start that no line told: they begin anew with every process.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.reconciliation.events import Event

MAX_ISTIODS = 256
MAX_COUNTERS = 4
ALL_COUNTERS = timedelta(minutes=10)
"""Every running istiod has pushed something, and so shown its counter, within this time."""

SAME_START = timedelta(minutes=1)
"""The lines of one start (banner, server, ADS) lie closer together than this."""

KEPT = timedelta(hours=24)
"""An istiod of which nothing was heard for so long is gone."""


class IstiodState(msgspec.Struct, omit_defaults=True):
    """One istiod pod; under the empty name, those of which no line tells the pod."""

    seen: datetime
    version: str | None = None
    revision: str | None = None
    started_at: datetime | None = None
    ready_at: datetime | None = None
    stopped_at: datetime | None = None
    pushed_at: datetime | None = None
    pushes: int = 0  # announced pushes that were heard
    counter: int | None = None  # its own count of pushes since its start
    counters: list[int] = []  # several unnamed istiods count side by side
    told_by: str = "event"


class Istiods:
    """Every istiod that was heard, by the name of its pod."""

    def __init__(self) -> None:
        self.states: dict[str, IstiodState] = {}
        self.changed: set[str] = set()
        self.gone: set[str] = set()

    def restore(self, states: dict[str, IstiodState]) -> None:
        """Take over the states of a snapshot; all of them count as changed."""
        self.states = states
        self.changed, self.gone = set(states), set()

    def note(self, event: Event) -> bool:
        """Book what an event says of the istiod that it names.

        Returns:
            Whether a named istiod is heard for the first time, others having been heard before.
        """
        name = event.istiod or ""
        state = self.states.get(name)
        new = state is None
        others = bool(self.states)
        if state is None:
            if len(self.states) >= MAX_ISTIODS:
                self._forget(min(self.states, key=lambda one: self.states[one].seen))
            state = self.states[name] = IstiodState(seen=event.time)
            self.gone.discard(name)
        state.seen = max(state.seen, event.time)
        if event.source is not None and event.source != state.told_by:
            state.told_by = event.source
        self._version(name, state, event)
        self._lifecycle(name, state, event)
        return new and others and event.istiod is not None

    def counts_anew(self, event: Event, observed: timedelta) -> bool:
        """Whether a push counter began anew: a process started, though no line said so.

        The log of several unnamed istiods runs several counters, so a push belongs to the nearest
        one below it; only a low count that continues none of them is a new process.
        """
        if event.counter is None:
            return False
        state = self.states[event.istiod or ""]
        state.counter = event.counter
        below = [count for count in state.counters if count <= event.counter]
        if below:
            state.counters[state.counters.index(max(below))] = event.counter
            return False
        known = event.istiod is not None or observed >= ALL_COUNTERS
        anew = bool(state.counters) and known and event.counter <= 3
        state.counters.append(event.counter)
        del state.counters[:-MAX_COUNTERS]
        return anew

    def evict(self, now: datetime) -> None:
        """Forget those that are gone."""
        for name in [one for one, state in self.states.items() if now - state.seen > KEPT]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        del self.states[name]
        self.changed.discard(name)
        self.gone.add(name)

    def _version(self, name: str, state: IstiodState, event: Event) -> None:
        """A version is the istiod's own where its log or its metrics say so."""
        if event.version is not None and event.version != state.version:
            state.version = event.version
            self.changed.add(name)
        if event.revision is not None and event.revision != state.revision and event.proxy is None:
            state.revision = event.revision
            self.changed.add(name)

    def _lifecycle(self, name: str, state: IstiodState, event: Event) -> None:
        if event.proxy is not None:
            return
        if event.kind == "control-plane-start":
            again = state.started_at is None or event.time - state.started_at > SAME_START
            if again:
                state.started_at, state.ready_at, state.stopped_at = event.time, None, None
                state.counters, state.counter = [], None
        elif event.kind == "control-plane-ready":
            state.ready_at = event.time
        elif event.kind == "control-plane-stop":
            state.stopped_at = event.time
        elif event.kind == "push":
            state.pushed_at = event.time
            state.pushes += 1
        else:
            return
        self.changed.add(name)
