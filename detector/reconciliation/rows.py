"""The ledger as the world sees it: one row a proxy, one row an istiod, and who is stale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from detector.reconciliation.istiods import IstiodState
from detector.reconciliation.proxy_state import ProxyState
from detector.reconciliation.rollouts import WorkloadRollout
from pipelines.identity import workload_of_pod

ANSWER = timedelta(seconds=30)
"""A proxy answers a push within this time; Envoy's own limit for a first answer is 15 s."""

ADRIFT = timedelta(seconds=60)
"""A proxy that lost its control plane finds the next one within this time: Envoy tries again
after half a minute at the latest (jittered back-off of its gRPC stream)."""


LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ProxyRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One proxy: who it is, whom it is connected to, and what was last done with it."""

    name: str  # "pod.namespace"
    pod: str
    namespace: str | None = None
    workload: str | None = None
    node: str | None = None
    proxy_version: str | None = None  # its own
    istiod: str | None = None
    version: str | None = None  # of the control plane it is connected to
    revision: str | None = None
    connected: bool = False
    seen_at: datetime
    heard_at: datetime | None = None  # its own newest line
    connected_at: datetime | None = None
    disconnected_at: datetime | None = None
    nacked_at: datetime | None = None
    error: str | None = None
    pushed: dict[str, datetime] = {}
    acked: dict[str, datetime] = {}
    told_by: dict[str, str] = {}


class IstiodRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One istiod; the empty name stands for those of which no line tells the pod."""

    name: str
    version: str | None = None
    revision: str | None = None
    started_at: datetime | None = None
    ready_at: datetime | None = None
    stopped_at: datetime | None = None
    pushed_at: datetime | None = None
    pushes: int = 0
    counter: int | None = None
    connected: int = 0  # proxies
    seen_at: datetime
    skew_s: float | None = None  # by so much the clocks of its proxies' agents are ahead of its own
    told_by: str = "event"


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """What changed of the ledger since it was last told."""

    proxies: list[ProxyRow]
    gone: list[str]
    istiods: list[IstiodRow]
    gone_istiods: list[str]
    merged: tuple[str, ...] = ()  # marks that are no windows of their own any more
    rollouts: Sequence[WorkloadRollout] = ()


class Stale(msgspec.Struct, frozen=True):
    """Why a proxy does not have what it should have, and since when."""

    since: datetime
    why: str


def proxy_row(name: str, state: ProxyState) -> ProxyRow:
    """A proxy's row."""
    pod, _, namespace = name.rpartition(".") if "." in name else (name, "", "")
    return ProxyRow(
        name=name,
        pod=pod,
        namespace=namespace or None,
        workload=state.workload or workload_of_pod(pod),
        node=state.node,
        proxy_version=state.proxy_version,
        istiod=state.istiod,
        version=state.version,
        revision=state.revision,
        connected=state.connected,
        seen_at=state.seen,
        heard_at=state.heard_at,
        connected_at=state.connected_at,
        disconnected_at=state.disconnected_at,
        nacked_at=state.nacked_at,
        error=state.error,
        pushed=dict(state.pushed),
        acked=dict(state.acked),
        told_by=dict(state.told_by),
    )


def istiod_row(
    name: str, state: IstiodState, connected: int, skew_s: float | None = None
) -> IstiodRow:
    """An istiod's row."""
    return IstiodRow(
        name=name,
        version=state.version,
        revision=state.revision,
        started_at=state.started_at,
        ready_at=state.ready_at,
        stopped_at=state.stopped_at,
        pushed_at=state.pushed_at,
        pushes=state.pushes,
        counter=state.counter,
        connected=connected,
        seen_at=state.seen,
        skew_s=skew_s,
        told_by=state.told_by,
    )


def connected_to(states: Iterable[ProxyState]) -> dict[str, int]:
    """How many proxies are connected to each istiod."""
    counts: dict[str, int] = {}
    for state in states:
        if state.connected:
            name = state.istiod or ""
            counts[name] = counts.get(name, 0) + 1
    return counts


def newest_version(istiods: Iterable[IstiodRow]) -> str | None:
    """The version of the istiod that started last, of those that have not stopped."""
    istiods = list(istiods)
    told = [
        (one.started_at or LONG_AGO, one.name)
        for one in istiods
        if one.version is not None and one.stopped_at is None
    ]
    names = {one.name: one.version for one in istiods}
    return names[max(told)[1]] if told else None


def stale(proxy: ProxyRow, now: datetime) -> Stale | None:
    """Why a proxy is stale at ``now``, or None when nothing says that it is.

    It refused what it was pushed and has accepted nothing since; or it does not answer pushes
    although it answers as a rule; or it lost its control plane and goes on serving without one.
    """
    if proxy.nacked_at is not None and proxy.nacked_at > max(
        proxy.acked.values(), default=LONG_AGO
    ):
        return Stale(proxy.nacked_at, f"refused configuration: {proxy.error or 'no reason given'}")
    waiting = [
        (pushed, kind)
        for kind, pushed in proxy.pushed.items()
        if kind in proxy.acked and proxy.acked[kind] < pushed and now - pushed > ANSWER
    ]
    if waiting and proxy.connected:
        since, kind = min(waiting)
        return Stale(since, f"does not answer {kind or 'a push'}")
    left = proxy.disconnected_at
    if proxy.connected or left is None or proxy.heard_at is None:
        return None
    if proxy.heard_at - left > ADRIFT:
        return Stale(left, "serves without a control plane")
    return None
