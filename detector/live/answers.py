"""What the worker's probes say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from detector import clock
from detector.live.status import Status
from detector.probes import Answer

STUCK_S = 120.0
"""A loop that has not turned for so long hangs. A turn takes milliseconds; a commit that waits for
a busy database gives up after ``store.busy_timeout_s``; a large state is read in seconds."""


def alive(status: Status, monotonic_s: Callable[[], float] = clock.monotonic_s) -> Answer:
    """Whether the loop turns; no matter what brokers and store do."""
    if status.turned_s is None:
        return Answer(True, {"phase": status.phase})
    quiet_s = monotonic_s() - status.turned_s
    return Answer(quiet_s < STUCK_S, {"phase": status.phase, "quiet_s": round(quiet_s, 1)})


def ready(status: Status, behind_s: float, now: Callable[[], datetime] = clock.now) -> Answer:
    """Whether the worker does its work.

    One that stands by is ready: it does what it is there for, and a rolling update that waited
    for it to have the lease would wait for ever.

    Args:
        status: its facts.
        behind_s: seconds that judging may be behind while there is more to read.
        now: the clock.
    """
    detail: dict[str, Any] = {
        "phase": status.phase,
        "since": status.since,
        "lag": status.lag,
        "records_per_s": round(status.per_s),
        "catch_up_s": _rounded(status.catch_up_s()),
        "judged_until": status.event_time,
        "committed_at": status.committed_at,
        "lost_offsets": status.losses,
    }
    if status.phase == "standby":
        return Answer(True, detail | {"reason": "another process has the store; waiting for it"})
    if status.phase != "live":
        return Answer(False, detail | {"reason": _WHY[status.phase]})
    if status.lag and status.event_time is not None:
        behind = (now() - status.event_time).total_seconds()
        if behind > behind_s:
            reason = f"judging is {behind:.0f} s behind, and there is more to read"
            return Answer(False, detail | {"reason": reason})
    return Answer(True, detail)


_WHY = {
    "starting": "restoring its state",
    "learning": "reading what the topics held before it began",
    "stopping": "told to end",
}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
