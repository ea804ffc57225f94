"""When the cause of an incident is looked at again."""

from __future__ import annotations

from datetime import datetime, timedelta

from detector.types import Incident

REVISE = timedelta(seconds=30)
"""Event time between two looks at the cause of a young incident: that is three buckets, so that
an answer given at the first alarm is revised soon after its evidence has grown."""
REVISE_SHARE = 0.2
"""Of an older incident's age between two looks: its answer hardly changes any more, and a fault
of hours is looked at some twenty times instead of hundreds."""


def is_due(incident: Incident, last: datetime, now: datetime) -> bool:
    """Whether it is time to look at the cause of a live incident again.

    Args:
        incident: any one.
        last: when its cause was looked at last.
        now: event time.
    """
    pause = max(REVISE, REVISE_SHARE * (now - incident.detected_at))
    return incident.status != "resolved" and now - last >= pause
