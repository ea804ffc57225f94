"""Windows deduced from errors alone, where nobody tells of the control plane.

Proxies that lack routes, clusters, endpoints or certificates fail in ways of their own, and when a
change of the control plane is the reason, unrelated services fail so at the same time. What has
failed like this before says nothing, nor do errors that one service or one caller has in common.

Such a window is told to people. Causes are not attributed to it: it consists of the very errors
that it would explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from detector.types import Window, WindowKind

SPAN = timedelta(seconds=60)
"""Proxies that are pushed at once begin to fail within this time of each other."""

LONG_SPAN = timedelta(seconds=180)
"""Proxies that are moved do so in turn. What lacks a route, a cluster or a certificate, or breaks
a protocol, has so few other reasons that it may take longer to show at several."""

NOVEL = timedelta(minutes=30)
"""What was silent for so long, or ever since the start, is new."""

LEARN = timedelta(seconds=30)
"""Nothing can be called new earlier than this after the first entry."""

QUIET = LONG_SPAN
AT_ONCE = timedelta(seconds=12)
KEEP = timedelta(hours=4)
MAX_WINDOWS = 100
MAX_KEYS = 20_000

_TYPICAL = {"NC": 2, "NR": 2, "UPE": 2, "TLS": 2, "UH": 3, "UF": 6}
"""How many services, called by as many callers (or seen by as many destinations), must begin to
fail at once. Refused connections have many other reasons, a lost node among them."""

_RARE = frozenset({"NC", "NR", "UPE", "TLS"})
_TLS = "secret_is_not_supplied|secret is not supplied|tls|ssl|certificate"
_LEAST_PROXIES = 3
_SHARE = 0.8  # of the errors that may have one service or one caller in common


class Failing(NamedTuple):
    """A proxy that began to fail."""

    time: datetime
    what: str
    proxy: str
    source: str
    destination: str


class InferenceState(msgspec.Struct):
    """All that a snapshot must keep."""

    last: dict[str, datetime] = {}  # what|source|destination -> its last error
    recent: list[Failing] = []
    began: datetime | None = None
    window: Window | None = None
    latest: datetime | None = None
    closed: list[Window] = []


class Inference:
    """Watches for unrelated services that begin to fail as only the control plane makes them."""

    def __init__(self) -> None:
        self.state = InferenceState()

    def snapshot(self) -> bytes:
        """All state; ``restore`` of it continues exactly here."""
        return msgspec.msgpack.encode(self.state)

    def restore(self, data: bytes) -> None:
        """Take over a snapshot."""
        self.state = msgspec.msgpack.decode(data, type=InferenceState)

    def step(self, moments: pl.DataFrame, now: datetime) -> None:
        """Take the errors of some buckets (`schema.MOMENTS`) and bring the windows to ``now``."""
        state = self.state
        if state.began is None:
            state.began = now if moments.is_empty() else min(now, moments["time"].to_list()[0])
        for failing in _typical(moments):
            self._settle(failing.time)
            key = f"{failing.what}|{failing.source}|{failing.destination}"
            last = state.last.get(key)
            fresh = last is None or failing.time - last > NOVEL
            again = any(_key(one) == key for one in state.recent)
            if (fresh or again) and failing.time - state.began >= LEARN:
                self._begins(failing)
            if len(state.last) >= MAX_KEYS:
                state.last = {}
            state.last[key] = failing.time
        self._settle(now)

    def windows(self, told: Sequence[Window]) -> list[Window]:
        """The windows deduced that no other source tells of."""
        found = [*self.state.closed, *([self.state.window] if self.state.window else [])]
        return [one for one in found if not any(_meet(one, other) for other in told)]

    def _begins(self, failing: Failing) -> None:
        state = self.state
        state.recent = [
            one
            for one in state.recent
            if failing.time - one.time <= (LONG_SPAN if one.what in _RARE else SPAN)
        ]
        known = {(one.proxy, _key(one)) for one in state.recent}
        if (failing.proxy, _key(failing)) not in known:
            state.recent.append(failing)
        if state.window is not None:
            self._extend(failing)
        elif together := _together(state.recent):
            first = min(one.time for one in together)
            what = " and ".join(sorted({one.what for one in together}))
            services = len({one.destination for one in together})
            state.window = Window(
                id=f"i{first:%Y%m%d%H%M%S}{first.microsecond // 1000:03d}",
                kind="push",
                started_at=first,
                ended_at=None,
                from_version=None,
                to_version=None,
                revision=None,
                expected=0,
                reconciled={},
                failed=0,
                reason=f"{services} unrelated services began to fail at once ({what}); "
                "no control plane was heard",
                inferred=True,
            )
            for one in together:
                self._extend(one)

    def _extend(self, failing: Failing) -> None:
        """Note that another proxy is met by the change; one by one is how proxies are moved."""
        window = self.state.window
        assert window is not None
        if failing.proxy in window.reconciled:
            return
        reconciled = window.reconciled | {failing.proxy: failing.time}
        spread = max(reconciled.values()) - min(reconciled.values())
        kind: WindowKind = "push" if spread <= AT_ONCE else "upgrade"
        self.state.latest = max(reconciled.values())
        self.state.window = replace(
            window, kind=kind, reconciled=reconciled, expected=len(reconciled)
        )

    def _settle(self, now: datetime) -> None:
        state = self.state
        if state.window is not None and state.latest is not None and now - state.latest >= QUIET:
            state.closed.append(replace(state.window, ended_at=state.latest))
            state.window = state.latest = None
        kept = [one for one in state.closed if one.ended_at and now - one.ended_at <= KEEP]
        state.closed = kept[-MAX_WINDOWS:]


def _together(recent: Sequence[Failing]) -> list[Failing]:
    """The errors of one kind that have neither a service nor a caller in common, or none."""
    for what, least in _TYPICAL.items():
        same = [one for one in recent if one.what == what]
        proxies = {one.proxy for one in same}
        services = [one.destination for one in same]
        callers = [one.source for one in same]
        if len(proxies) < max(least, _LEAST_PROXIES) or len(set(services)) < least:
            continue
        if len(set(callers)) >= least and not (_dominated(services) or _dominated(callers)):
            return same
    return []


def _dominated(names: Sequence[str]) -> bool:
    return max(names.count(name) for name in set(names)) > _SHARE * len(names)


def _typical(moments: pl.DataFrame) -> Iterable[Failing]:
    """The errors that a change of the control plane leaves, in order of time."""
    if moments.is_empty():
        return
    signal, details = pl.col("signal"), pl.col("details").fill_null("").str.to_lowercase()
    tls = (signal == "UF") & details.str.contains(_TLS)
    at_source = pl.col("reporter") == "source"
    told = (
        moments.filter(signal.is_in([*_TYPICAL]) & (pl.col("destination") != "unknown"))
        .with_columns(
            what=pl.when(tls).then(pl.lit("TLS")).otherwise(signal),
            proxy=pl.when(at_source).then("source_pod").otherwise("destination_pod"),
            caller=pl.when(at_source).then("source").otherwise("destination"),
        )
        .filter(pl.col("proxy").is_not_null())
        .group_by(
            "what", "proxy", "caller", "destination", bucket=pl.col("time").dt.truncate("10s")
        )
        .agg(pl.col("time").min())
        .select("what", "proxy", "caller", "destination", "time")
        .sort("time", "what", "proxy", "destination")
    )
    for what, proxy, source, destination, time in told.iter_rows():
        yield Failing(time, what, proxy, source, destination)


def _key(failing: Failing) -> str:
    return f"{failing.what}|{failing.source}|{failing.destination}"


def _meet(one: Window, other: Window) -> bool:
    """Whether two windows overlap, or nearly do."""
    near = SPAN
    ended = one.ended_at or datetime.max.replace(tzinfo=one.started_at.tzinfo) - near
    until = other.affects_until or other.ended_at
    return other.started_at <= ended + near and (until is None or until >= one.started_at - near)
