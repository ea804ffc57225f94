"""What is known of each proxy: when it connected, was pushed, accepted or refused, and to whom.

Cost is O(1) an event. Nothing here opens windows; `detector.reconciliation.ledger` joins the two.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from pipelines.identity import workload_of_pod
from pipelines.schema import CONTROL

CONNECTION_AGE = timedelta(minutes=30)
"""istiod closes every connection at this age (its chart's ``keepaliveMaxServerConnectionAge``)."""

SAME_CONNECTION = timedelta(seconds=2)
"""istiod, the agent and Envoy each tell of one connection; closer than this it is the same."""

LATE_END = timedelta(seconds=30)
"""How late istiod may notice that a proxy is gone: its keep-alive's interval and timeout."""

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

MAX_RECONCILES = 16


class Event(NamedTuple):
    """A row of ``pipelines.schema.CONTROL``."""

    time: datetime
    kind: str
    proxy: str | None = None
    istiod: str | None = None
    version: str | None = None
    revision: str | None = None
    type: str | None = None
    full: bool | None = None
    request: bool | None = None
    counter: int | None = None
    push_version: str | None = None
    proxies: int | None = None
    reason: str | None = None
    error: str | None = None
    source: str | None = None

    def is_steady(self) -> bool:
        """Whether it is of a type that is pushed all the time: endpoints, secrets, names."""
        return self.type in {"EDS", "SDS", "NDS"}


def events_of(frame: pl.DataFrame) -> Iterator[Event]:
    """The rows of a ``CONTROL`` frame that have a time and a kind, in the frame's order."""
    if frame.is_empty():
        return
    rows = frame if frame.columns == list(CONTROL) else frame.select(list(CONTROL))
    for time, kind, *rest in rows.iter_rows():
        if time is not None and kind is not None:
            yield Event(time.replace(tzinfo=UTC), kind, *rest)


class ProxyState(msgspec.Struct):
    """What the control plane and a proxy did to each other; times are null until first seen."""

    seen: datetime
    connected: bool = False
    connected_at: datetime | None = None
    disconnected_at: datetime | None = None
    pushed_at: datetime | None = None
    acked_at: datetime | None = None
    nacked_at: datetime | None = None
    version: str | None = None  # of the control plane it is connected to
    istiod: str | None = None
    revision: str | None = None
    reconciles: list[datetime] = []  # its own connections, oldest first, the last 16


class Before(NamedTuple):
    """A proxy as it was before a connection, for the windows to judge the change."""

    fresh: bool  # the connection is news, not another witness of the same
    known: bool  # the proxy had been connected before
    connected_at: datetime | None
    version: str | None  # its control plane's; for a new pod, that of its workload's last pod
    left_at: datetime | None  # when it left its control plane, if that was told


class Proxies:
    """Every known proxy under "pod.namespace", bounded in age and number."""

    def __init__(self) -> None:
        self.states: dict[str, ProxyState] = {}
        self._namespaces: dict[str, str] = {}
        self._versions: dict[str, str] = {}  # workload -> version its last pod connected to

    def restore(self, states: dict[str, ProxyState]) -> None:
        """Take over the states of a snapshot."""
        self.states = states
        self._index()

    def connect(self, event: Event) -> Before:
        """Book a connection (``event.proxy`` is set) and say what the proxy was before."""
        name, state = self._state(event)
        before = Before(
            fresh=_is_new(state, event),
            known=state.connected_at is not None,
            connected_at=state.connected_at,
            version=state.version or self._versions.get(_workload(name)),
            left_at=_left_at(state),
        )
        state.seen = max(state.seen, event.time)
        _connect(state, event, fresh=before.fresh)
        if event.version is not None:
            self._versions[_workload(name)] = event.version
        return before

    def note(self, event: Event) -> None:
        """Book any other event about a proxy (``event.proxy`` is set)."""
        _, state = self._state(event)
        late = event.time < state.seen
        state.seen = max(state.seen, event.time)
        if event.kind == "push":
            state.pushed_at = _later(state.pushed_at, event.time)
            state.connected = state.connected or not late
        elif event.kind == "ack":
            state.acked_at = _later(state.acked_at, event.time)
            state.connected = state.connected or not late
        elif event.kind == "nack":
            state.nacked_at = _later(state.nacked_at, event.time)
        elif event.kind == "disconnect":
            _disconnect(state, event)

    def _state(self, event: Event) -> tuple[str, ProxyState]:
        name = event.proxy or ""
        state = self.states.get(name)
        if state is None:
            if len(self.states) >= MAX_PROXIES + SURPLUS:
                self.evict(event.time)
            pod, namespace = _parted(name)
            state = self.states.pop(pod, None) or ProxyState(seen=event.time)
            self.states[name] = state
            if namespace:
                self._namespaces[pod] = namespace
        return name, state

    def full_name(self, proxy: str) -> str:
        """A proxy's name; a bare pod name, as some shippers give, with its namespace if known."""
        namespace = None if "." in proxy else self._namespaces.get(proxy)
        return f"{proxy}.{namespace}" if namespace else proxy

    def namespace_of(self, pod: str) -> str | None:
        """The namespace in which a pod of this name was last seen."""
        return self._namespaces.get(pod)

    def served(self, now: datetime, *, left_within: timedelta) -> set[str]:
        """The proxies that are connected, or left so recently that they will be back."""
        return {
            name
            for name, state in self.states.items()
            if (state.connected and now - state.seen < SILENT)
            or (state.disconnected_at is not None and now - state.disconnected_at <= left_within)
        }

    def evict(self, now: datetime) -> None:
        """Forget the proxies that are gone, and the longest unheard above ``MAX_PROXIES``."""
        gone = [
            name
            for name, state in self.states.items()
            if now - state.seen > (FORGET if state.connected else GONE)
        ]
        surplus = len(self.states) - len(gone) - MAX_PROXIES
        if surplus > 0:
            kept = self.states.keys() - set(gone)
            gone += sorted(kept, key=lambda name: (self.states[name].seen, name))[:surplus]
        for name in gone:
            del self.states[name]
        if gone:
            self._index()

    def _index(self) -> None:
        parted = (_parted(name) for name in self.states)
        self._namespaces = {pod: namespace for pod, namespace in parted if namespace}
        told = [
            (state.connected_at, name, state.version)
            for name, state in self.states.items()
            if state.connected_at is not None and state.version is not None
        ]
        self._versions = {_workload(name): version for _, name, version in sorted(told)}


def _connect(state: ProxyState, event: Event, *, fresh: bool) -> None:
    if fresh:
        insort(state.reconciles, event.time)
        del state.reconciles[:-MAX_RECONCILES]
    if state.connected_at is None or event.time >= state.connected_at - SAME_CONNECTION:
        state.connected = state.disconnected_at is None or event.time >= state.disconnected_at
        if fresh:
            state.connected_at = event.time
        blind = not fresh or event.source == "agent-log"  # knows not who answered
        state.version = event.version or (state.version if blind else None)
        state.istiod = event.istiod or (state.istiod if blind else None)
        state.revision = event.revision or state.revision


def _disconnect(state: ProxyState, event: Event) -> None:
    of_previous = _ends_previous(state, event)
    state.disconnected_at = _later(state.disconnected_at, event.time)
    if state.connected_at is None or event.time > state.connected_at:
        state.connected = of_previous


def _ends_previous(state: ProxyState, event: Event) -> bool:
    """Whether a disconnect is the late end of the connection before the present one.

    The istiod that was left may notice after the proxy is connected to the next one.
    """
    if event.istiod is not None and state.istiod is not None:
        return event.istiod != state.istiod
    if state.connected_at is None or len(state.reconciles) < 2:
        return False
    told = state.disconnected_at is not None and state.disconnected_at >= state.reconciles[-2]
    return not told and event.time - state.connected_at < LATE_END


def _left_at(state: ProxyState) -> datetime | None:
    left = state.disconnected_at
    if left is None or (state.connected_at is not None and left < state.connected_at):
        return None
    return left


def _is_new(state: ProxyState, event: Event) -> bool:
    if _differ(state.version, event.version) or _differ(state.istiod, event.istiod):
        return event.time not in state.reconciles
    return not any(abs(event.time - other) < SAME_CONNECTION for other in state.reconciles)


def _differ(known: str | None, told: str | None) -> bool:
    return known is not None and told is not None and known != told


def _later(known: datetime | None, time: datetime) -> datetime:
    return time if known is None else max(known, time)


def _workload(name: str) -> str:
    pod, namespace = _parted(name)
    return f"{workload_of_pod(pod)}.{namespace}"


def _parted(name: str) -> tuple[str, str]:
    """Pod and namespace; the namespace is empty for a bare pod."""
    pod, dot, namespace = name.rpartition(".")
    return (pod, namespace) if dot else (name, "")
