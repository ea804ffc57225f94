"""What is promised of false alarms, and what became of the promise as far as people judged."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.report import phrases
from detector.settings import Settings
from detector.store.feedback import Judged, judged_since
from detector.store.shared import Connection
from detector.web.pages.pulse import Pulse

LOOK_BACK = timedelta(weeks=4)
"""Of a promise of one a week, a shorter time would say little."""
WEEK = timedelta(weeks=1)


class FalseAlarms(msgspec.Struct, frozen=True, kw_only=True):
    """False alarms as promised, and as people judged.

    Of the ``incidents`` detected from ``since`` on, at the most four weeks ago, people judged
    ``judged`` and called ``false`` false alarms. ``false_per_week`` is null before a whole week
    has passed.
    """

    promised_per_week: float
    since: datetime | None
    incidents: int
    judged: int
    false: int
    false_per_week: float | None


def false_alarms(connection: Connection, settings: Settings, pulse: Pulse) -> FalseAlarms:
    """How the promise of the settings is kept."""
    promised = settings.detection.false_incidents_per_week
    since = None if pulse.since is None else max(pulse.since, pulse.as_of - LOOK_BACK)
    found = Judged(0, 0, 0) if since is None else judged_since(connection, since)
    span = timedelta() if since is None else pulse.as_of - since
    return FalseAlarms(
        promised_per_week=promised,
        since=since,
        incidents=found.incidents,
        judged=found.judged,
        false=found.false,
        false_per_week=found.false * (WEEK / span) if span >= WEEK else None,
    )


def realised(told: FalseAlarms, now: datetime) -> str:
    """What became of the promise, in words; empty before anything was judged."""
    if told.since is None:
        return ""
    span = phrases.duration(now - told.since)
    if not told.incidents:
        return f"none in {span}: no incident at all"
    found = phrases.plural(told.incidents, "incident")
    if not told.judged:
        return f"{found} in {span}, none judged yet"
    rate = told.false_per_week
    weekly = "" if rate is None else f", {phrases.count(rate)} a week"
    return f"{told.false:,} in {span}{weekly}; {told.judged:,} of {found} judged"
