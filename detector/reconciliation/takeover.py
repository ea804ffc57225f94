"""Upgrade and restart windows: a control plane starts and the proxies come over to it.

A start alone is no window: proxies must follow it faster than their connections age. It is an
upgrade when the versions differ. Where versions are unknown, it is one when proxies leave a
control plane that goes on serving one by one, while in a restart all of them lose it at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.reconciliation.events import Event
from detector.reconciliation.newcomer import SETTLED, Newcomer
from detector.reconciliation.proxies import STEADY_AFTER, Before, Proxies
from detector.reconciliation.proxy_state import differ
from detector.reconciliation.windows import Draft, WindowBook

SAME_START = timedelta(seconds=30)
"""The lines of one start (banner, server, ADS) lie closer together than this."""

REPLICAS = timedelta(minutes=10)
"""Replicas of one rollout start within this time of the first."""

NO_MOVE = timedelta(minutes=10)
"""A start that no proxy followed for this long moved none (a replica more)."""

PUSHED_AFTER = timedelta(seconds=15)
"""What is pushed to a proxy within this time of its connection is the answer to it."""

QUIET = timedelta(minutes=2)
"""A restart ends when no further proxy came over for this long: the others are with replicas that
did not restart. Who moves to another version is waited for; without progress it is stuck."""

RECOUNT = timedelta(minutes=1)

ORPHANS = timedelta(minutes=2)
WATCHED = timedelta(seconds=60)


class TakeoverState(msgspec.Struct):
    """All that a snapshot must keep."""

    current: Newcomer | None = None
    versions: dict[str, str] = {}  # istiod -> version, "" for an unnamed one
    done: str | None = None  # the version that the last upgrade brought


class Takeovers:
    """Follows starts of the control plane and who comes over."""

    def __init__(self, book: WindowBook, proxies: Proxies) -> None:
        self.state = TakeoverState()
        self._book = book
        self._proxies = proxies

    def start(self, event: Event, *, watched: timedelta, inferred: bool = False) -> None:
        """A control plane started (or its push counter began anew, when ``inferred``)."""
        if event.version:
            self.state.versions[event.istiod or ""] = event.version
            while len(self.state.versions) > 256:
                del self.state.versions[next(iter(self.state.versions))]
        current = self.state.current
        if current is not None and self._joins(current, event):
            current.newest_start = max(current.newest_start, event.time)
            current.istiods |= {event.istiod} if event.istiod else set()
            current.told = current.told or not inferred
            current.anonymous = current.anonymous or event.istiod is None
            self._learn_version(current, event.version)
            return
        if inferred and current is not None and current.window is not None:
            return
        served = self._proxies.served(event.time, left_within=ORPHANS)
        early = self._proxies.came_after(served, event)
        served -= early.keys()
        current = self._begin(
            event,
            served,
            from_version=self._proxies.majority("version", served),
            from_revision=self._proxies.majority("revision", served),
            plausible=bool(served or early) or watched >= WATCHED,
            told=not inferred,
        )
        if early:
            current.expected += len(early)
            current.moved, current.latest = early, max(early.values())
            self._publish(current, None, current.latest)

    def _begin(
        self,
        event: Event,
        served: set[str],
        *,
        from_version: str | None,
        from_revision: str | None,
        plausible: bool,
        told: bool,
    ) -> Newcomer:
        self._end(self.state.current)
        if differ(from_version, event.version):  # who is there already does not have to move
            served -= self._proxies.of_version(event.version)
        self.state.current = Newcomer(
            started_at=event.time,
            newest_start=event.time,
            latest=event.time,
            version=event.version,
            from_version=from_version,
            revision=event.revision,
            from_revision=from_revision,
            waiting=served,
            expected=len(served),
            plausible=plausible,
            told=told,
            istiods={event.istiod} if event.istiod else set(),
            anonymous=event.istiod is None,
        )
        return self.state.current

    def version_of(self, istiod: str | None) -> str | None:
        """The version that an istiod named when it started; for None, the last unnamed one."""
        return self.state.versions.get(istiod or "")

    def connect(self, event: Event, before: Before) -> bool:
        """A proxy connected; tells whether that belongs to a takeover."""
        current = self.state.current
        if current is None or not current.answers(event):
            current = self._moves_without_start(event, before)
        if current is None or not current.plausible or event.proxy is None:
            return False
        draft = self.open_window()
        stuck = draft is not None and draft.stuck_since is not None
        if not self._counts(current, event, before, stuck=stuck):
            return not stuck
        if draft is not None:
            again = event.proxy in draft.reconciled
            draft.reconcile(event.proxy, event.time)
        else:
            again = event.proxy in current.moved
            current.moved.setdefault(event.proxy, event.time)
        if again:
            if draft is not None:
                self._book.touch(draft)  # it may have come earlier than was known
            return True
        current.latest = max(current.latest, event.time)
        if event.proxy in current.waiting or not current.expected:
            current.waiting.discard(event.proxy)
            current.apart += current.was_moved(event.time, before.left_at)
        self._publish(current, draft, event.time)
        return True

    def follow_up(self, event: Event) -> None:
        """A push or an ack of a proxy: what answers its connection extends the window."""
        current = self.state.current
        draft = self._book.get(current.window) if current is not None else None
        if current is None or draft is None or event.proxy is None:
            return
        came = draft.reconciled.get(event.proxy)
        steady = event.is_steady() and not event.request
        if came is not None and timedelta(0) <= event.time - came <= (
            STEADY_AFTER if steady else PUSHED_AFTER
        ):
            current.latest = max(current.latest, event.time)
            self._book.touch(draft, event.time)

    def refuse(self, event: Event) -> None:
        """A proxy refused what it got (NACK) while it came over."""
        draft = self.open_window()
        if draft is not None and event.proxy in draft.reconciled:
            draft.refuse(event.proxy)
            self._book.touch(draft)

    def absorbs_push(self, event: Event) -> bool:
        """Whether a full push is part of a start: the new control plane catching up."""
        current = self.state.current
        if current is None or not (current.told or current.window):
            return False
        if event.version is not None and event.version != (current.version or event.version):
            return False
        recent = current.latest if current.window else current.newest_start
        return event.time - recent <= PUSHED_AFTER

    def open_window(self) -> Draft | None:
        """The window of the takeover that is going on."""
        return self._book.get(self.state.current.window) if self.state.current else None

    def settle(self, now: datetime) -> None:
        """End what is over: complete and quiet, or quiet for long, or too old."""
        current = self.state.current
        if current is None:
            return
        draft = self._book.get(current.window)
        if draft is None:
            if now - current.newest_start > NO_MOVE:
                self._end(current)
            return
        settings = self._book.settings
        quiet = now - current.latest
        recount = SETTLED if draft.stuck_since is None else RECOUNT
        if quiet >= SETTLED and now - (current.pruned_at or current.latest) >= recount:
            self._prune(current, draft, now)
        missing = len(current.waiting) / current.expected if current.expected else 1.0
        complete = (missing == 0 and quiet >= SETTLED) or (
            missing <= 1 - settings.complete_share and quiet >= current.patience()
        )
        if complete or (draft.kind == "restart" and quiet >= QUIET):
            self._end(current)
        elif quiet >= timedelta(seconds=settings.stuck_s):
            self._book.stick(draft)

    def _prune(self, current: Newcomer, draft: Draft, now: datetime) -> None:
        """Wait no longer for proxies that left everything (deleted pods)."""
        current.pruned_at = now
        served = self._proxies.served(now, left_within=ORPHANS)
        gone = current.waiting - served
        if gone:
            current.waiting -= gone
            current.expected = draft.expected = max(0, current.expected - len(gone))
            self._book.touch(draft)

    def _end(self, current: Newcomer | None) -> None:
        draft = self._book.get(current.window) if current is not None else None
        if current is not None and draft is not None:
            self._book.close(draft, current.latest)
            self.state.done = current.version
        self.state.current = None

    def _joins(self, current: Newcomer, event: Event) -> bool:
        age = event.time - current.newest_start
        same = event.version is None or current.version in {None, event.version}
        return same and age <= (REPLICAS if current.window else SAME_START)

    def _learn_version(self, current: Newcomer, version: str | None) -> None:
        if version is None or current.version is not None:
            return
        current.version = version
        draft = self._book.get(current.window)
        if draft is not None:
            draft.to_version, draft.reason = version, current.reason()
            self._book.touch(draft)

    def _publish(self, current: Newcomer, draft: Draft | None, now: datetime) -> None:
        if draft is None:
            if not current.beyond_ageing(now):
                return
            draft = self._book.open(
                "restart",
                started_at=current.started_at,
                latest=current.latest,
                expected=current.expected,
                reason=current.reason(),
                versions=(current.from_version, current.version),
                revision=current.revision,
            )
            draft.reconciled, current.moved = current.moved, {}
            current.window = draft.id
        if current.changes_revision():
            draft.kind = "revision"
        elif current.changes_version():
            draft.kind = "upgrade"
        elif not current.knows_versions() and current.apart >= 2:
            draft.kind = "upgrade"
            draft.reason = "proxies leave a control plane that goes on serving, one by one"
        self._book.touch(draft, now)

    def _moves_without_start(self, event: Event, before: Before) -> Newcomer | None:
        """Begin a takeover for a proxy that came back to another version or revision.

        A new pod of a workload whose last pod had another version counts as well: that is how
        proxies change to another revision. Stragglers of the last upgrade, less than a tenth of
        the mesh, begin no new one.
        """
        if not (differ(before.version, event.version) or differ(before.revision, event.revision)):
            return None
        draft = self.open_window()
        if draft is not None and draft.stuck_since is None:
            return None
        served = self._proxies.served(event.time, left_within=ORPHANS)
        states = self._proxies.states
        old = sum(
            differ(states[name].version, event.version)
            or differ(states[name].revision, event.revision)
            for name in served
        )
        if old + 1 < 0.1 * len(served) or (event.version == self.state.done and not old):
            return None
        return self._begin(
            event,
            served,
            from_version=before.version,
            from_revision=before.revision,
            plausible=True,
            told=False,
        )

    def _counts(self, current: Newcomer, event: Event, before: Before, *, stuck: bool) -> bool:
        """Whether a connection is a move: new pods and ageing connections come all the time."""
        if stuck or event.proxy in current.waiting:
            return event.proxy in current.waiting
        return before.known or not current.expected or differ(before.version, event.version)
