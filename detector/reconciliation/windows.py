"""The book of reconciliation windows: opened, extended, closed, remembered, measured.

A window starts with the first sign of its cause and ends with the last proxy that took it on.
Effects outlast it: ``affects_until`` adds the tails that judging and base rates count with.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from detector.reconciliation.proxies import MAX_PROXIES
from detector.settings import WindowSettings
from detector.types import Window, WindowKind

KEEP = timedelta(hours=4)
"""Closed windows older than this are dropped: longer than the error history of attribution."""

MAX_WINDOWS = 1000
MAX_RECONCILED = 300_000
"""Bounds on the windows kept and on the proxies named in all of them together."""


class Draft(msgspec.Struct):
    """A window being written; ``latest`` is the newest evidence that it goes on."""

    id: str
    kind: WindowKind
    started_at: datetime
    latest: datetime
    expected: int
    reason: str
    ended_at: datetime | None = None
    from_version: str | None = None
    to_version: str | None = None
    revision: str | None = None
    reconciled: dict[str, datetime] = {}
    refused: set[str] = set()
    inferred: bool = False
    stuck_since: datetime | None = None
    configuration: str | None = None

    def reconcile(self, proxy: str, time: datetime) -> None:
        """Note that a proxy took the window's change on; its first time counts."""
        known = self.reconciled.get(proxy)
        if known is not None:
            self.reconciled[proxy] = min(known, time)
        elif len(self.reconciled) < MAX_PROXIES:
            self.reconciled[proxy] = time

    def refuse(self, proxy: str) -> None:
        """Note that a proxy refused it."""
        if len(self.refused) < MAX_PROXIES:
            self.refused.add(proxy)

    def affects_until(self, settings: WindowSettings) -> datetime | None:
        """Until when the window's effects may show; None while it is open.

        A push counts for ``push_s`` from its start, a storm for ``storm_s`` behind its end, the
        rest for ``settle_s`` behind the last proxy.
        """
        if self.ended_at is None:
            return None
        if self.kind == "push":
            return max(self.ended_at, self.started_at + timedelta(seconds=settings.push_s))
        storm = self.kind in {"push-storm", "reconnect-storm"}
        return self.ended_at + timedelta(seconds=settings.storm_s if storm else settings.settle_s)

    def freeze(self, settings: WindowSettings) -> Window:
        """The window as others see it, sharing nothing with this draft."""
        return Window(
            id=self.id,
            kind=self.kind,
            started_at=self.started_at,
            ended_at=self.ended_at,
            from_version=self.from_version,
            to_version=self.to_version,
            revision=self.revision,
            expected=self.expected,
            reconciled=dict(self.reconciled) if self.ended_at is None else self.reconciled,
            failed=len(self.refused),
            reason=self.reason,
            inferred=self.inferred,
            affects_until=self.affects_until(settings),
            stuck_since=self.stuck_since,
            configuration=self.configuration,
        )

    def effects_end(self, settings: WindowSettings) -> datetime | None:
        """Until when its effects may show, taking one that is stuck for over; None if it goes on.

        Proxies of two versions may live side by side for days. What happens then is not the
        doing of a change that ended long ago.
        """
        if self.ended_at is None and self.stuck_since is not None:
            return self.stuck_since + timedelta(seconds=settings.settle_s)
        return self.affects_until(settings)


class BookState(msgspec.Struct):
    """All that a snapshot must keep."""

    drafts: dict[str, Draft] = {}
    covered: dict[str, float] = {}  # kind -> seconds, of dropped and closed windows
    covered_until: dict[str, datetime] = {}
    changed: set[str] = set()


class WindowBook:
    """Windows by id, in the order in which they were opened."""

    def __init__(self, settings: WindowSettings) -> None:
        self.settings = settings
        self.state = BookState()
        self._frozen: dict[str, Window] = {}

    def restore(self, state: BookState) -> None:
        """Take over the state of a snapshot."""
        self.state = state
        self._frozen = {}

    def open(
        self,
        kind: WindowKind,
        *,
        started_at: datetime,
        latest: datetime,
        expected: int,
        reason: str,
        versions: tuple[str | None, str | None] = (None, None),
        revision: str | None = None,
    ) -> Draft:
        """Open a window; its id is made of its start, so that a replay gives it again."""
        if len(self.state.drafts) >= MAX_WINDOWS:
            self._drop_oldest()
        stem = f"w{started_at:%Y%m%d%H%M%S}{started_at.microsecond // 1000:03d}"
        serial = 1
        while (name := f"{stem}-{serial}") in self.state.drafts:
            serial += 1
        draft = Draft(
            id=name,
            kind=kind,
            started_at=started_at,
            latest=latest,
            expected=expected,
            reason=reason,
            from_version=versions[0],
            to_version=versions[1],
            revision=revision,
        )
        self.state.drafts[name] = draft
        self.touch(draft)
        return draft

    def get(self, name: str | None) -> Draft | None:
        """The draft of this id while it is open."""
        draft = self.state.drafts.get(name) if name is not None else None
        return draft if draft is not None and draft.ended_at is None else None

    def touch(self, draft: Draft, latest: datetime | None = None) -> None:
        """Note that a draft changed, by evidence of this time if one is given."""
        if latest is not None:
            draft.latest = max(draft.latest, latest)
            draft.stuck_since = None
        self.state.changed.add(draft.id)
        self._frozen.pop(draft.id, None)

    def close(self, draft: Draft, at: datetime | None = None) -> None:
        """End a window at its latest evidence, or at a given time."""
        draft.ended_at = max(draft.started_at, at or draft.latest)
        draft.stuck_since = None
        self.touch(draft)
        until = draft.affects_until(self.settings) or draft.ended_at
        since = max(draft.started_at, self.state.covered_until.get(draft.kind, draft.started_at))
        gained = max(0.0, (until - since).total_seconds())
        self.state.covered[draft.kind] = self.state.covered.get(draft.kind, 0.0) + gained
        self.state.covered_until[draft.kind] = max(until, since)

    def changed(self) -> list[Window]:
        """The windows opened or changed since this was last asked, in order of their start."""
        names = self.state.changed & self.state.drafts.keys()
        self.state.changed = set()
        return sorted((self._window(name) for name in names), key=_order)

    def windows(self, since: datetime) -> list[Window]:
        """The windows that go on or whose effects reach beyond ``since``, by their start.

        One that is stuck counts as over since it is: see `Draft.effects_end`.
        """
        reaching = []
        for name, draft in self.state.drafts.items():
            until = draft.effects_end(self.settings)
            if until is None or until >= since:
                window = self._window(name)
                if draft.stuck_since is not None:
                    window = replace(window, ended_at=draft.stuck_since, affects_until=until)
                reaching.append(window)
        return sorted(reaching, key=_order)

    def all(self) -> list[Window]:
        """All windows that are remembered, by their start; one that is stuck is open."""
        return sorted(map(self._window, self.state.drafts), key=_order)

    def stick(self, draft: Draft) -> None:
        """Note that an open window has made no progress for long."""
        if draft.stuck_since is None:
            draft.stuck_since = draft.latest
            self.touch(draft)

    def covered_s(self, kind: WindowKind, now: datetime) -> float:
        """Seconds up to ``now`` within windows of a kind, tails included, overlaps once."""
        reached = self.state.covered_until.get(kind)
        total = self.state.covered.get(kind, 0.0)
        if reached is not None and reached > now:
            total -= (reached - now).total_seconds()
            reached = now
        going_on = [
            (draft.started_at, draft.effects_end(self.settings) or now)
            for draft in self.state.drafts.values()
            if draft.kind == kind and draft.ended_at is None
        ]
        for start, end in sorted(going_on):
            since = start if reached is None else max(start, reached)
            total += max(0.0, (min(end, now) - since).total_seconds())
            reached = max(since, min(end, now))
        return max(0.0, total)

    def trim(self, now: datetime) -> None:
        """Drop closed windows that are old, and the oldest beyond the bounds."""
        drafts = self.state.drafts
        named = sum(len(draft.reconciled) for draft in drafts.values())
        surplus = len(drafts) - MAX_WINDOWS
        for name, draft in list(drafts.items()):
            if draft.ended_at is None:
                continue
            if now - draft.ended_at <= KEEP and surplus <= 0 and named <= MAX_RECONCILED:
                continue
            named -= len(draft.reconciled)
            surplus -= 1
            del drafts[name]
            self._frozen.pop(name, None)

    def _drop_oldest(self) -> None:
        for name, draft in self.state.drafts.items():
            if draft.ended_at is not None:
                del self.state.drafts[name]
                self._frozen.pop(name, None)
                return

    def _window(self, name: str) -> Window:
        window = self._frozen.get(name)
        if window is None:
            window = self._frozen[name] = self.state.drafts[name].freeze(self.settings)
        return window


def _order(window: Window) -> tuple[datetime, str]:
    return window.started_at, window.id
