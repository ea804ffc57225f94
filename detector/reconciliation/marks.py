"""Changes that people and pipelines announce, and how they join the windows that were observed.

A mark and an observed window of the same change are one window: what only the mark knows (the
versions, who and why) is added to it. A mark that nothing observed confirms is a window of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from detector.types import Window, WindowKind

BEFORE = timedelta(seconds=60)
AFTER = timedelta(minutes=10)
"""An observed window belongs to a mark from so long before its start to so long after its end:
clocks differ, and a rollout goes on when the command that began it is done."""

KINDS: tuple[WindowKind, ...] = (
    *("upgrade", "revision", "restart", "push", "rotation", "sidecar-rollout", "manual"),
)
"""What can be announced: storms and refusals happen to people, they are not made."""

_KIN: dict[str, frozenset[str]] = {
    "upgrade": frozenset({"upgrade", "revision", "restart"}),
    "revision": frozenset({"upgrade", "revision"}),
    "restart": frozenset({"restart", "upgrade", "reconnect-storm"}),
    "push": frozenset({"push", "push-storm"}),
    "rotation": frozenset({"rotation"}),
    "sidecar-rollout": frozenset({"sidecar-rollout"}),
}


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A change that somebody announced."""

    id: str
    kind: WindowKind
    started_at: datetime
    ended_at: datetime | None = None  # None while it goes on
    from_version: str | None = None
    to_version: str | None = None
    revision: str | None = None
    note: str | None = None
    author: str | None = None


def joined(windows: Sequence[Window], marks: Sequence[Mark]) -> list[Window]:
    """Observed windows completed by marks, and the marks that none of them meets; by start."""
    told = list(windows)
    alone: list[Window] = []
    for mark in marks:
        met = [n for n, window in enumerate(told) if _meet(mark, window)]
        if met:
            longest = max(met, key=lambda n: len(told[n].reconciled))
            told[longest] = _completed(told[longest], mark)
        else:
            alone.append(window_of(mark))
    return sorted([*told, *alone], key=lambda window: (window.started_at, window.id))


def window_of(mark: Mark) -> Window:
    """The window that a mark alone is."""
    return Window(
        id=mark.id,
        kind="manual",
        started_at=mark.started_at,
        ended_at=mark.ended_at,
        from_version=mark.from_version,
        to_version=mark.to_version,
        revision=mark.revision,
        expected=0,
        reconciled={},
        failed=0,
        reason=_told(mark),
        affects_until=mark.ended_at,
    )


def _meet(mark: Mark, window: Window) -> bool:
    if window.kind not in _KIN.get(mark.kind, frozenset()):
        return False
    before = mark.ended_at is None or window.started_at <= mark.ended_at + AFTER
    after = window.ended_at is None or window.ended_at >= mark.started_at - BEFORE
    return before and after and window.started_at >= mark.started_at - BEFORE


def _completed(window: Window, mark: Mark) -> Window:
    old, new = window.from_version or mark.from_version, window.to_version or mark.to_version
    upgraded = window.kind == "restart" and mark.kind == "upgrade" and old != new
    return replace(
        window,
        kind="upgrade" if upgraded else window.kind,
        from_version=old,
        to_version=new,
        revision=window.revision or mark.revision,
        reason=f"{window.reason}; {_told(mark)}",
    )


def _told(mark: Mark) -> str:
    by = f" by {mark.author}" if mark.author else ""
    return f"{mark.kind} marked{by}{': ' + mark.note if mark.note else ''}"
