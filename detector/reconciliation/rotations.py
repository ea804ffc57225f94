"""Windows of certificate rotations: the mesh's CA, or the root that proxies trust, is replaced.

istiod says when it takes on a new CA (from ``cacerts``, or its own that was about to expire). The
agent says "Root cert has changed" when the root that comes with a new certificate is another one,
and at every start, when there was none before: only a proxy that is not new has rotated.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.reconciliation.events import Event
from detector.reconciliation.proxies import Proxies
from detector.reconciliation.proxy_state import ProxyState
from detector.reconciliation.windows import WindowBook

NEW = timedelta(seconds=60)
"""A proxy known for less is starting: its first root is no rotation."""

AT_LEAST = 3
SPAN = timedelta(minutes=10)
"""Without istiod's word a rotation is when so many proxies changed their root within this time."""

QUIET = timedelta(minutes=10)
UNSEEN = timedelta(minutes=2)
"""It ends when no proxy rotated for ``QUIET``; for ``UNSEEN`` where no agent is heard at all."""


class RotationState(msgspec.Struct):
    """All that a snapshot must keep."""

    window: str | None = None
    recent: dict[str, datetime] = {}


class Rotations:
    """Follows new CAs and the proxies that take on another root."""

    def __init__(self, book: WindowBook, proxies: Proxies) -> None:
        self.state = RotationState()
        self._book = book
        self._proxies = proxies

    def announce(self, event: Event) -> None:
        """An istiod took on another CA; its lines and those of its replicas are one rotation."""
        draft = self._book.get(self.state.window)
        if draft is not None:
            self._book.touch(draft, event.time)
            return
        self._open(event.time, event, event.reason or "istiod took on another CA certificate")

    def rotate(self, event: Event, before: ProxyState | None) -> None:
        """A proxy's root changed; ``before`` is what was known of the proxy until then."""
        if event.proxy is None or before is None or not _is_old(before, event.time):
            return
        state = self.state
        state.recent = {
            name: time for name, time in state.recent.items() if event.time - time <= SPAN
        } | {event.proxy: event.time}
        draft = self._book.get(state.window)
        if draft is None and len(state.recent) < AT_LEAST:
            return
        if draft is None:
            start = min(state.recent.values())
            self._open(start, event, "proxies found that the root certificate has changed")
            draft = self._book.get(state.window)
            assert draft is not None
            for name, time in state.recent.items():
                draft.reconcile(name, time)
        draft.reconcile(event.proxy, event.time)
        self._book.touch(draft, event.time)

    def settle(self, now: datetime) -> None:
        """End what is over."""
        draft = self._book.get(self.state.window)
        if draft is None:
            return
        quiet = now - draft.latest
        whole = draft.reconciled and len(draft.reconciled) >= draft.expected
        if whole or quiet >= (QUIET if draft.reconciled else UNSEEN):
            self._book.close(draft)
            self.state.window = None

    def _open(self, start: datetime, event: Event, reason: str) -> None:
        self.state.window = self._book.open(
            "rotation",
            started_at=start,
            latest=event.time,
            expected=len(self._proxies.served(event.time, left_within=NEW)),
            reason=reason,
            versions=(event.version, event.version),
            revision=event.revision,
        ).id


def _is_old(state: ProxyState, now: datetime) -> bool:
    first = min([state.seen, *state.reconciles[:1]])
    return now - first >= NEW
