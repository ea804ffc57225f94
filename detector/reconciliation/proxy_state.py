"""What is known of one proxy, and how a connection and its end change it."""

from __future__ import annotations

from bisect import insort
from datetime import datetime, timedelta

import msgspec

from detector.reconciliation.events import Event

SAME_CONNECTION = timedelta(seconds=2)
"""istiod, the agent and Envoy each tell of one connection; closer than this it is the same."""

LATE_END = timedelta(seconds=30)
"""How late istiod may notice that a proxy is gone: its keep-alive's interval and timeout."""

MAX_RECONCILES = 4


class ProxyState(msgspec.Struct, omit_defaults=True):
    """What the control plane and a proxy did to each other; times are null until first seen.

    ``pushed`` and ``acked`` hold the newest time by type of configuration (CDS, LDS, ...), under
    the empty name where the source does not tell the type. ``told_by`` names the source of the
    newest connect, push, ack, nack and disconnect.
    """

    seen: datetime
    name: str = ""  # the one copy of it, for all windows that name the proxy
    connected: bool = False
    connected_at: datetime | None = None
    disconnected_at: datetime | None = None
    nacked_at: datetime | None = None
    pushed: dict[str, datetime] = {}
    acked: dict[str, datetime] = {}
    version: str | None = None  # of the control plane it is connected to
    istiod: str | None = None
    revision: str | None = None
    node: str | None = None
    workload: str | None = None
    proxy_version: str | None = None
    heard_at: datetime | None = None  # the newest line of its own
    error: str | None = None  # what it said when it last refused
    told_by: dict[str, str] = {}
    reconciles: list[datetime] = []  # its own connections, oldest first, the last four

    @property
    def pushed_at(self) -> datetime | None:
        """When anything was last pushed to it."""
        return max(self.pushed.values(), default=None)

    @property
    def acked_at(self) -> datetime | None:
        """When it last accepted anything."""
        return max(self.acked.values(), default=None)


def connect(state: ProxyState, event: Event, *, fresh: bool) -> None:
    """Book a connection; ``fresh`` if it is news, not another witness of a known one."""
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


def disconnect(state: ProxyState, event: Event) -> None:
    """Book the end of a connection, unless it is the late end of the one before."""
    of_previous = _ends_previous(state, event)
    state.disconnected_at = later(state.disconnected_at, event.time)
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


def left_at(state: ProxyState) -> datetime | None:
    """When it left its control plane, if that was told and it has not come back since."""
    left = state.disconnected_at
    if left is None or (state.connected_at is not None and left < state.connected_at):
        return None
    return left


def is_new(state: ProxyState, event: Event) -> bool:
    """Whether a connection is news, not another witness of a known one."""
    if differ(state.version, event.version) or differ(state.istiod, event.istiod):
        return event.time not in state.reconciles
    return not any(abs(event.time - other) < SAME_CONNECTION for other in state.reconciles)


def is_news(state: ProxyState | None, event: Event) -> bool:
    """Whether finding a proxy connected to an istiod tells of a connection not known yet.

    Sources name an istiod in their own ways, by pod or by address: only names of one source differ.
    """
    if state is None or not state.connected or differ(state.version, event.version):
        return True
    alike = state.told_by.get("connect") == (event.source or "event")
    return alike and differ(state.istiod, event.istiod)


def differ(known: str | None, told: str | None) -> bool:
    """Whether both are known and differ."""
    return known is not None and told is not None and known != told


def later(known: datetime | None, time: datetime) -> datetime:
    """The later of two times, one of which may be unknown."""
    return time if known is None else max(known, time)
