"""Whether what the pages show can be trusted: does the worker live, and does it hear anything?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from detector import clock
from detector.settings import Settings
from detector.store.progress import Progress, read_progress
from detector.store.shared import Connection

Mood = Literal["empty", "resting", "silent", "learning", "live"]


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the worker and its input are."""

    mood: Mood
    time: datetime | None  # event time up to which all is decided
    behind: timedelta  # of the present
    since: datetime | None  # event time at which judging began
    learned_at: datetime | None  # event time at which the oldest series judge by themselves
    rejects: int

    @property
    def as_of(self) -> datetime:
        """The time that pages speak of as now."""
        return self.time or clock.now()


def take_pulse(connection: Connection, settings: Settings) -> Pulse:
    """The state of worker and input at this moment."""
    now = clock.now()
    told = read_progress(connection)
    detection = settings.detection
    warm = timedelta(seconds=detection.warmup_s)
    learned = told.first + warm if told.first else None
    return Pulse(
        mood=_mood(told, now, learned, settings),
        time=told.time,
        behind=max(timedelta(), now - told.time) if told.time else timedelta(),
        since=told.first,
        learned_at=learned,
        rejects=told.rejects,
    )


def _mood(told: Progress, now: datetime, learned: datetime | None, settings: Settings) -> Mood:
    if told.time is None:
        return "empty"
    if told.lease_until is None or told.lease_until <= now:
        return "resting"
    if now - told.time > quiet_after(settings):
        return "silent"
    return "learning" if learned is not None and told.time < learned else "live"


def quiet_after(settings: Settings) -> timedelta:
    """How far behind the present decisions may be: three times what a bucket needs at the least.

    A bucket is judged when it has ended, its lateness has passed, and the step is committed.
    """
    needed = settings.detection.bucket_s + settings.detection.lateness_s + settings.store.commit_s
    return timedelta(seconds=max(60.0, 3 * needed))
