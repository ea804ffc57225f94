"""Control-plane events in, the per-proxy ledger and the reconciliation windows out (pure).

Events are taken in the order given, and before each one the windows are brought to its time, so
the result does not depend on how a stream is cut into steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl

from detector.reconciliation.events import Event, events_of
from detector.reconciliation.istiods import Istiods, IstiodState
from detector.reconciliation.marks import Mark, joined
from detector.reconciliation.proxies import Before, Proxies
from detector.reconciliation.proxy_state import SAME_CONNECTION, ProxyState, is_news
from detector.reconciliation.pushes import Pushes, PushState
from detector.reconciliation.rollouts import Rollouts, WorkloadRollout
from detector.reconciliation.rotations import Rotations, RotationState
from detector.reconciliation.rows import LedgerRows
from detector.reconciliation.sidecars import Sidecars, SidecarState
from detector.reconciliation.skew import Skews
from detector.reconciliation.storms import Storms, StormState
from detector.reconciliation.takeover import WATCHED, Takeovers, TakeoverState
from detector.reconciliation.telling import Teller
from detector.reconciliation.windows import BookState, WindowBook
from detector.settings import Settings
from detector.types import Window, WindowKind

FUTURE = timedelta(minutes=5)
"""An event further ahead of the present comes from a clock that is wrong; it is left out."""

SWEEP = timedelta(minutes=10)
_EPOCH = datetime.fromtimestamp(0, tz=UTC)


class LedgerState(msgspec.Struct):
    """A whole ledger, as a snapshot keeps it."""

    proxies: dict[str, ProxyState]
    book: BookState
    takeovers: TakeoverState
    pushes: PushState
    storms: StormState
    rotations: RotationState
    sidecars: SidecarState
    rollouts: list[WorkloadRollout]
    clock: datetime | None
    began: datetime | None
    swept: datetime | None
    istiods: dict[str, IstiodState]
    future: int
    told: bool = False
    marks: list[Mark] = []
    skews: dict[str, list[float]] = {}


class Ledger:
    """Which proxy reconciled when and with what, and the windows in which it happened."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._proxies = Proxies()
        self._book = WindowBook(settings.windows)
        self._takeovers = Takeovers(self._book, self._proxies)
        self._pushes = Pushes(self._book, self._proxies)
        self._storms = Storms(self._book, self._proxies)
        self._rotations = Rotations(self._book, self._proxies)
        self._sidecars = Sidecars(self._book, self._proxies)
        self._rollouts = Rollouts()
        self._clock: datetime | None = None
        self._began: datetime | None = None
        self._swept: datetime | None = None
        self._istiods = Istiods()
        self._skews = Skews()
        self._teller = Teller(self._proxies, self._istiods, self._skews)
        self.future = 0
        self._marks: list[Mark] = []
        self._marked: list[Window] = []  # by changed marks, not told yet
        self.told = False  # whether anybody ever spoke of the control plane

    def step(self, events: pl.DataFrame, now: datetime) -> list[Window]:
        """Take events (``schema.CONTROL``, sorted by time) and bring the windows to ``now``.

        Events that come late are still booked; repeated ones change nothing; those more than
        ``FUTURE`` ahead of ``now`` are counted in ``future`` and left out.

        Returns:
            The windows that were opened or changed, in order of their start.
        """
        for event in events_of(events):
            if event.time - now > FUTURE:
                self.future += 1
                continue
            self._advance(event.time)
            self._take(event)
        self._advance(now)
        changed, self._marked = [*self._book.changed(), *self._marked], []
        return changed

    @property
    def proxies(self) -> Mapping[str, ProxyState]:
        """State by proxy ("pod.namespace")."""
        return self._proxies.states

    @property
    def istiods(self) -> Mapping[str, IstiodState]:
        """State by the name of the istiod's pod."""
        return self._istiods.states

    def hear(self, proxy: str, time: datetime, workload: str | None) -> None:
        """A proxy that the ledger knows wrote an access log entry at ``time``."""
        self._proxies.hear(self._proxies.full_name(proxy), time, workload)

    def take_rows(self) -> LedgerRows:
        """The rows that changed since this was last asked; see `telling.Teller`."""
        shown = {window.id for window in self.all_windows()}
        merged = tuple(mark.id for mark in self._marks if mark.id not in shown)
        told = self._teller.take(self._clock)
        return replace(told, merged=merged, rollouts=self._rollouts.take_changed())

    def rollouts(self, since: datetime) -> list[WorkloadRollout]:
        """What Kubernetes told of workloads that was going on at ``since`` or later."""
        return self._rollouts.since(since)

    def namespace_of(self, pod: str) -> str | None:
        """The namespace of a pod of which only the name is known."""
        return self._proxies.namespace_of(pod)

    def windows(self, since: datetime) -> list[Window]:
        """The windows that are open or whose effects reach beyond ``since``, by their start."""
        marks = [one for one in self._marks if one.ended_at is None or one.ended_at >= since]
        return joined(self._book.windows(since), marks)

    def all_windows(self) -> list[Window]:
        """All windows that are remembered, those that are stuck being open, by their start."""
        return joined(self._book.all(), self._marks)

    def mark(self, marks: list[Mark]) -> None:
        """Let these be all the changes that people announced; others are forgotten."""
        if marks != self._marks:
            fresh = [one for one in marks if one not in self._marks]
            self._marks, self._marked = marks, joined([], fresh)

    def coverage(self, kind: WindowKind) -> float:
        """Share of the observed time within windows of a kind, their tails included (0 to 1)."""
        if self._clock is None or self._began is None or self._clock <= self._began:
            return 0.0
        observed = (self._clock - self._began).total_seconds()
        return min(1.0, self._book.covered_s(kind, self._clock) / observed)

    def snapshot(self) -> bytes:
        """All state; ``restore`` of it continues exactly here."""
        return msgspec.msgpack.encode(
            LedgerState(
                proxies=self._proxies.states,
                book=self._book.state,
                takeovers=self._takeovers.state,
                pushes=self._pushes.state,
                storms=self._storms.state,
                rotations=self._rotations.state,
                sidecars=self._sidecars.state,
                rollouts=self._rollouts.state,
                clock=self._clock,
                began=self._began,
                swept=self._swept,
                istiods=self._istiods.states,
                future=self.future,
                told=self.told,
                marks=self._marks,
                skews=self._skews.state,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take over a snapshot.

        Raises:
            msgspec.DecodeError: if the bytes are not a ledger's snapshot; nothing changed then.
        """
        state = msgspec.msgpack.decode(data, type=LedgerState)
        self._proxies.restore(state.proxies)
        self._book.restore(state.book)
        self._takeovers.state = state.takeovers
        self._pushes.state = state.pushes
        self._storms.state = state.storms
        self._rotations.state, self._sidecars.state = state.rotations, state.sidecars
        self._rollouts.restore(state.rollouts)
        self._clock, self._began, self._swept = state.clock, state.began, state.swept
        self._istiods.restore(state.istiods)
        self.future, self.told = state.future, state.told
        self._marks, self._skews.state = state.marks, state.skews

    def _advance(self, now: datetime) -> None:
        if self._clock is not None and now <= self._clock:
            return
        self._clock = now
        if self._began is None:
            self._began = now
        self._takeovers.settle(now)
        self._pushes.settle(now)
        self._storms.settle(now)
        self._rotations.settle(now)
        self._sidecars.settle(now)
        sweep = _EPOCH + (now - _EPOCH) // SWEEP * SWEEP
        if self._swept is None or sweep > self._swept:
            self._proxies.evict(sweep)
            self._istiods.evict(sweep)
            self._rollouts.trim(sweep)
            self._book.trim(sweep)
            self._swept = sweep

    def _take(self, event: Event) -> None:
        self.told = self.told or event.kind not in {"proxy", "workload-rollout"}
        if event.kind == "workload-rollout":
            self._rollouts.take(event)
            return
        speaks = event.proxy is None or event.istiod is not None
        first = speaks and self._istiods.note(event)
        if first and event.kind not in {"sync", "notice"} and self._observed() >= WATCHED:
            self._takeovers.start(event, watched=self._observed(), inferred=True)
        if event.proxy is not None:
            self._take_of_proxy(event)
        elif event.kind == "control-plane-start":
            self._takeovers.start(event, watched=self._observed())
        elif event.kind == "rotation":
            self._rotations.announce(event)
        elif event.kind == "config-change":
            self._pushes.change(event)
        elif event.kind == "push":
            if self._istiods.counts_anew(event, self._observed()):
                self._takeovers.start(event, watched=self._observed(), inferred=True)
            if event.full and not self._takeovers.absorbs_push(event):
                self._pushes.announce(event, observed=self._observed())

    def _take_of_proxy(self, event: Event) -> None:
        assert event.proxy is not None
        name = self._proxies.full_name(event.proxy)
        version = event.version or self._version_of(event)
        if name is not event.proxy or version != event.version:
            event = event._replace(proxy=name, version=version)
        known = self._proxies.states.get(name)
        if event.kind == "sync" and is_news(known, event):
            event = event._replace(kind="connect")
        if event.proxy_version is not None:
            self._sidecars.hear(event, known.proxy_version if known is not None else None)
        if event.kind == "rotation":
            self._rotations.rotate(event, known)
        if event.kind == "connect":
            self._skews.connect(name, event)
            before = self._proxies.connect(event)
            if before.fresh and not self._takeovers.connect(event, before) and before.known:
                self._storms.reconnect(event, before, observed=self._observed())
            return
        if event.kind == "proxy-stop":
            self._storms.leave(event)
        elif event.kind == "disconnect" and event.source == "envoy-log":
            self._lost_stream(event, known)
        self._proxies.note(event)
        if event.kind in {"push", "ack"}:
            self._takeovers.follow_up(event)
            if self._pushes.unannounced(event) and not self._takeovers.absorbs_push(event):
                self._pushes.announce(event, observed=self._observed())
            self._pushes.reach(event)
            if event.kind == "ack":
                self._pushes.accept(event)
        elif event.kind == "nack":
            self._takeovers.refuse(event)
            self._pushes.refuse(event)

    def _lost_stream(self, event: Event, known: ProxyState | None) -> None:
        """Envoy says that its stream ended; where istiod tells of connections, that is enough."""
        if known is None or self._istiods.states:
            return
        last = known.disconnected_at
        fresh = last is None or event.time - last >= SAME_CONNECTION
        if fresh and known.told_by.get("connect") is None:
            before = Before(fresh=True, known=True, connected_at=last)
            self._storms.lose(event, before, observed=self._observed())

    def _observed(self) -> timedelta:
        if self._clock is None or self._began is None:
            return timedelta(0)
        return self._clock - self._began

    def _version_of(self, event: Event) -> str | None:
        """What istiod's own banner said; the agent and Envoy do not know who answered them."""
        if event.source not in {"istiod-log", None}:
            return None
        return self._takeovers.version_of(event.istiod)
