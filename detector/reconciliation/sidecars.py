"""Windows of sidecar rollouts: workloads are restarted with another version of the proxy.

A proxy's own version is told by its image, in the envelope of its lines. It changes with a new
pod only, so a rollout is seen as pods of a version that their workload did not have before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.reconciliation.events import Event
from detector.reconciliation.proxies import Proxies, workload_of
from detector.reconciliation.windows import Draft, WindowBook

APART = timedelta(seconds=60)
"""A workload's versions that are first heard closer together are a mix, not a change."""

AT_LEAST = 2
SPAN = timedelta(minutes=10)
"""One pod alone may be an experiment; so many within this time are a rollout."""

RECOUNT = timedelta(minutes=1)
MAX_WORKLOADS = 20_000


class SidecarState(msgspec.Struct):
    """All that a snapshot must keep."""

    versions: dict[str, dict[str, datetime]] = {}  # workload -> version -> when first heard
    recent: dict[str, tuple[datetime, str, str]] = {}  # proxy -> when, from, to
    window: str | None = None
    counted_at: datetime | None = None


class Sidecars:
    """Follows which workload's pods have which version of the proxy."""

    def __init__(self, book: WindowBook, proxies: Proxies) -> None:
        self.state = SidecarState()
        self._book = book
        self._proxies = proxies

    def hear(self, event: Event, before: str | None) -> None:
        """A proxy tells its own version; ``before`` is the one it had, if it was known."""
        version = event.proxy_version
        if event.proxy is None or version is None or version == before:
            return
        old = before or self._changed_from(event, version)
        if old is None:
            return
        state = self.state
        kept = {
            name: told
            for name, told in state.recent.items()
            if event.time - told[0] <= SPAN and told[2] == version
        }
        state.recent = kept | {event.proxy: (event.time, old, version)}
        draft = self._book.get(state.window)
        if draft is not None and (draft.to_version != version or draft.stuck_since is not None):
            self._book.close(draft, draft.stuck_since)
            draft = None
        if draft is None and len(state.recent) < AT_LEAST:
            return
        draft = draft or self._open(old, version)
        draft.reconcile(event.proxy, event.time)
        self._book.touch(draft, event.time)

    def settle(self, now: datetime) -> None:
        """End a rollout when no proxy of the old version is left; say when it is stuck."""
        draft = self._book.get(self.state.window)
        if draft is None:
            self.state.window = None
            return
        counted = self.state.counted_at
        if counted is not None and now - counted < RECOUNT:
            return
        self.state.counted_at = now
        left = self._of_version(draft.from_version)
        draft.expected = left + len(draft.reconciled)
        share = len(draft.reconciled) / max(1, draft.expected)
        if share >= self._book.settings.complete_share:
            self._book.close(draft)
        elif now - draft.latest >= timedelta(seconds=self._book.settings.stuck_s):
            self._book.stick(draft)

    def _open(self, old: str, new: str) -> Draft:
        recent = self.state.recent
        draft = self._book.open(
            "sidecar-rollout",
            started_at=min(told[0] for told in recent.values()),
            latest=max(told[0] for told in recent.values()),
            expected=self._of_version(old) + len(recent),
            reason=f"workloads restart with proxies of {new} in place of {old}",
            versions=(old, new),
        )
        for name, told in recent.items():
            draft.reconcile(name, told[0])
        self.state.window = draft.id
        return draft

    def _of_version(self, version: str | None) -> int:
        return sum(state.proxy_version == version for state in self._proxies.states.values())

    def _changed_from(self, event: Event, version: str) -> str | None:
        """The version that a new pod's workload had until now, if this one is new to it."""
        assert event.proxy is not None
        known = self.state.versions
        workload = workload_of(event.proxy)
        if workload not in known and len(known) >= MAX_WORKLOADS:
            del known[next(iter(known))]
        versions = known.setdefault(workload, {})
        first = versions.setdefault(version, event.time)
        earlier = [(time, one) for one, time in versions.items() if first - time >= APART]
        return max(earlier)[1] if earlier else None
