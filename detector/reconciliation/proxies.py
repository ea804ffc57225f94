"""What is known of each proxy: when it connected, was pushed, accepted or refused, and to whom.

Cost is O(1) an event. Nothing here opens windows; `detector.reconciliation.ledger` joins the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from detector.reconciliation.events import Event
from detector.reconciliation.proxy_state import (
    ProxyState,
    connect,
    disconnect,
    is_new,
    later,
    left_at,
)
from pipelines.identity import workload_of_pod

CONNECTION_AGE = timedelta(minutes=30)
"""istiod closes every connection at this age (its chart's ``keepaliveMaxServerConnectionAge``)."""

SILENT = 3 * CONNECTION_AGE
"""A proxy that missed three connection ages in a row is not counted as connected any more."""

FORGET = timedelta(hours=24)
GONE = timedelta(hours=2)
"""A proxy is forgotten when nothing was heard of it this long: at all, or since it left."""

STEADY_AFTER = timedelta(seconds=5)
"""Endpoints come with a full push or a connection within this time; later ones are news."""

MAX_PROXIES = 100_000
SURPLUS = 10_000
"""Proxies kept for good, and those let in above that before the longest unheard make room."""

MAX_TYPES = 12
"""Kinds of configuration remembered of a proxy: xDS has ten."""

MAX_ERROR = 200
MAX_TELLERS = 10_000


class Before(NamedTuple):
    """A proxy as it was before a connection, for the windows to judge the change."""

    fresh: bool  # the connection is news, not another witness of the same
    known: bool  # the proxy had been connected before
    connected_at: datetime | None
    version: str | None = None  # its control plane's, or that of its workload's last pod
    left_at: datetime | None = None  # when it left its control plane, if that was told
    revision: str | None = None


class Proxies:
    """Every known proxy under "pod.namespace", bounded in age and number.

    ``changed`` and ``gone`` name what is to be told to others since they last asked; those of
    whom there is nothing new but endpoints or a sign of life are in ``stirred``.
    """

    def __init__(self) -> None:
        self.states: dict[str, ProxyState] = {}
        self.changed: set[str] = set()
        self.stirred: set[str] = set()
        self.gone: set[str] = set()
        self._namespaces: dict[str, str] | None = None  # by pod, once anybody asks
        self._tellers: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self._versions: dict[str, str] = {}  # workload -> version its last pod connected to
        self._words: dict[str, str] = {}  # one copy of the words that thousands of proxies share

    def restore(self, states: dict[str, ProxyState]) -> None:
        """Take over the states of a snapshot; all of them count as changed."""
        self.states = states
        self.changed, self.stirred, self.gone = set(states), set(), set()
        for full, state in states.items():
            state.name = full
            for name in ("version", "istiod", "revision", "node", "workload", "proxy_version"):
                setattr(state, name, self._word(getattr(state, name)))
            state.pushed = {self._word(key) or "": time for key, time in state.pushed.items()}
            state.acked = {self._word(key) or "": time for key, time in state.acked.items()}
            state.told_by = self._shared(state.told_by)
        self._index()

    def connect(self, event: Event) -> Before:
        """Book a connection (``event.proxy`` is set) and say what the proxy was before."""
        name, state = self._state(event)
        before = Before(
            fresh=is_new(state, event),
            known=state.connected_at is not None,
            connected_at=state.connected_at,
            version=state.version or self._versions.get(workload_of(name)),
            left_at=left_at(state),
            revision=state.revision,
        )
        state.seen = max(state.seen, event.time)
        connect(state, event, fresh=before.fresh)
        self._describe(state, event)
        state.version, state.istiod = self._word(state.version), self._word(state.istiod)
        state.revision = self._word(state.revision)
        self.changed.add(name)
        if event.version is not None:
            self._versions[workload_of(name)] = event.version
        return before

    def note(self, event: Event) -> None:
        """Book any other event about a proxy (``event.proxy`` is set)."""
        name, state = self._state(event)
        late = event.time < state.seen
        state.seen = max(state.seen, event.time)
        if event.kind == "push":
            self._book(state.pushed, event)
            state.connected = state.connected or not late
        elif event.kind == "ack":
            self._book(state.acked, event)
            state.connected = state.connected or not late
        elif event.kind == "nack":
            state.nacked_at = later(state.nacked_at, event.time)
            state.error = (event.error or "")[:MAX_ERROR] or None
        elif event.kind == "disconnect":
            disconnect(state, event)
        elif event.kind == "sync":
            state.istiod = state.istiod or self._word(event.istiod)
            state.version = state.version or self._word(event.version)
        self._describe(state, event)
        (self.stirred if event.is_steady() else self.changed).add(name)

    def hear(self, proxy: str, time: datetime, workload: str | None) -> None:
        """Note that a proxy wrote a line of its own, if it is known."""
        state = self.states.get(proxy)
        if state is None:
            return
        state.heard_at = later(state.heard_at, time)
        self.stirred.add(proxy)
        if workload is not None and workload != state.workload:
            state.workload = self._word(workload)
            self.changed.add(proxy)

    def _book(self, times: dict[str, datetime], event: Event) -> None:
        """Keep the newest time of a type."""
        kind = event.type or ""
        if kind in times:
            times[kind] = max(times[kind], event.time)
        elif len(times) < MAX_TYPES:
            times[self._word(kind) or ""] = event.time

    def _describe(self, state: ProxyState, event: Event) -> None:
        """Keep who told, and what an event says of the proxy itself."""
        source = event.source or "event"
        if state.told_by.get(event.kind) != source:
            state.told_by = self._shared(state.told_by | {event.kind: source})
        if event.node is not None and event.node != state.node:
            state.node = self._word(event.node)
        if event.workload is not None and event.workload != state.workload:
            state.workload = self._word(event.workload)
        if event.proxy_version is not None and event.proxy_version != state.proxy_version:
            state.proxy_version = self._word(event.proxy_version)

    def _shared(self, told_by: dict[str, str]) -> dict[str, str]:
        """One dict for all proxies of which the same sources tell the same: it never changes."""
        if len(self._tellers) > MAX_TELLERS:
            self._tellers.clear()
        return self._tellers.setdefault(tuple(sorted(told_by.items())), told_by)

    def _word(self, text: str | None) -> str | None:
        if text is None:
            return None
        if len(self._words) > MAX_PROXIES:
            self._words.clear()
        return self._words.setdefault(text, text)

    def _state(self, event: Event) -> tuple[str, ProxyState]:
        name = event.proxy or ""
        state = self.states.get(name)
        if state is None:
            if len(self.states) >= MAX_PROXIES + SURPLUS:
                self.evict(event.time)
            pod, namespace = _parted(name)
            bare = self.states.pop(pod, None)
            if bare is not None:
                self.gone.add(pod)
            state = bare or ProxyState(seen=event.time)
            state.name = name
            self.states[name] = state
            self.gone.discard(name)
            if namespace and self._namespaces is not None:
                self._namespaces[pod] = namespace
        return name, state

    def full_name(self, proxy: str) -> str:
        """A proxy's name; a bare pod name, as some shippers give, with its namespace if known."""
        known = self.states.get(proxy)
        if known is not None:
            return known.name
        namespace = None if "." in proxy else self.namespace_of(proxy)
        return f"{proxy}.{namespace}" if namespace else proxy

    def namespace_of(self, pod: str) -> str | None:
        """The namespace in which a pod of this name was last seen."""
        if self._namespaces is None:
            parted = (_parted(name) for name in self.states)
            self._namespaces = {one: namespace for one, namespace in parted if namespace}
        return self._namespaces.get(pod)

    def served(self, now: datetime, *, left_within: timedelta) -> set[str]:
        """The proxies that are connected, or left so recently that they will be back."""
        return {
            name
            for name, state in self.states.items()
            if (state.connected and now - state.seen < SILENT)
            or (state.disconnected_at is not None and now - state.disconnected_at <= left_within)
        }

    def came_after(self, served: set[str], start: Event) -> dict[str, datetime]:
        """Proxies that connected after a start that is told late, by their time."""
        return {
            name: time
            for name in served
            if (time := self.states[name].connected_at) is not None
            and time > start.time
            and self.states[name].version in {None, start.version}
        }

    def of_version(self, version: str | None) -> set[str]:
        """The proxies whose control plane is of a version."""
        return {name for name, state in self.states.items() if state.version == version}

    def majority(self, field: Literal["version", "revision"], among: Iterable[str]) -> str | None:
        """The version or revision that most of these proxies are connected to."""
        told: Iterable[str | None] = (getattr(self.states[name], field) for name in among)
        counts = Counter(word for word in told if word is not None)
        return max(counts, key=lambda word: (counts[word], word)) if counts else None

    def evict(self, now: datetime) -> None:
        """Forget the proxies that are gone, and the longest unheard above ``MAX_PROXIES``."""
        gone = [
            name
            for name, state in self.states.items()
            if now - max(state.seen, state.heard_at or state.seen)
            > (FORGET if state.connected else GONE)
        ]
        surplus = len(self.states) - len(gone) - MAX_PROXIES
        if surplus > 0:
            kept = self.states.keys() - set(gone)
            gone += sorted(kept, key=lambda name: (self.states[name].seen, name))[:surplus]
        for name in gone:
            del self.states[name]
        self.gone.update(gone)
        self.changed.difference_update(gone)
        self.stirred.difference_update(gone)
        if gone:
            self._index()

    def _index(self) -> None:
        self._namespaces = None
        told = [
            (state.connected_at, name, state.version)
            for name, state in self.states.items()
            if state.connected_at is not None and state.version is not None
        ]
        self._versions = {workload_of(name): version for _, name, version in sorted(told)}


def workload_of(name: str) -> str:
    """The "workload.namespace" of a proxy, from its pod's name."""
    pod, namespace = _parted(name)
    return f"{workload_of_pod(pod)}.{namespace}"


def _parted(name: str) -> tuple[str, str]:
    """Pod and namespace; the namespace is empty for a bare pod."""
    pod, dot, namespace = name.rpartition(".")
    return (pod, namespace) if dot else (name, "")
