"""What people said is to be expected: alarms that open no incident any more (pure)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from detector.documents import IncidentDocument
from detector.types import Verdict, Window, WindowKind

WORSE = 2.0
"""Times the excess that was called expected: beyond it, it is not what people had seen."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """Errors that somebody called expected: where, which, when, and how many."""

    incident_id: str
    services: tuple[str, ...]
    signals: tuple[str, ...]
    window_kind: WindowKind | None  # only within a window of this kind; None: at any time
    excess: float


def expectation(incident: IncidentDocument) -> Expectation:
    """What calling ``incident`` expected says of later ones."""
    window = incident.attribution.window
    return Expectation(
        incident_id=incident.id,
        services=tuple(incident.services),
        signals=tuple(incident.signals),
        window_kind=window.kind if window else None,
        excess=incident.excess,
    )


def foreseen(
    verdict: Verdict, windows: Iterable[Window], expectations: Iterable[Expectation]
) -> Expectation | None:
    """The expectation that an alarm falls under, if it does.

    Args:
        verdict: the alarm.
        windows: those that touch its bucket.
        expectations: all that stand.
    """
    kinds = {window.kind for window in windows}
    excess = verdict.errors - verdict.expected
    for one in expectations:
        same = verdict.series.destination in one.services and verdict.series.signal in one.signals
        if same and excess <= WORSE * one.excess and one.window_kind in {None, *kinds}:
            return one
    return None
