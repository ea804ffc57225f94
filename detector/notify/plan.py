"""What a chat channel is told next. Pure: what is known in, one action out.

Openings come first, in their order; then what has become of messages that stand; then incidents
that were over before anybody could be told. What happened meanwhile to an incident is told as
its latest state, once. Many openings at a time are a storm, which is one message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from detector.incidents.severity import rank
from detector.notify.routing import rests
from detector.settings import ChannelSettings, NotifySettings
from detector.store.deliveries import Row, Sent
from detector.types import Severity

What = Literal[
    "post",  # a first message
    "edit",
    "end",  # a message of its own that says it is over
    "escalate",  # a message of its own that says it has become critical
    "thread",
    "picture",
    "skip",  # nothing that this channel can or need be told
]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to send."""

    what: What
    key: str
    rows: tuple[Row, ...]  # what it tells
    sent: Sent | None = None  # the message concerned, when there is one
    gist: str = ""

    @property
    def storm(self) -> bool:
        """Whether it tells of many incidents at once."""
        return self.key.startswith(STORM)


STORM = "storm-"


@dataclass(frozen=True, slots=True)
class Queue:
    """What is known of a channel."""

    pending: Sequence[Row]  # in order
    sent: Mapping[str, Sent]  # the messages of these
    recent: Sequence[Sent]  # that began within the regrouping time, the oldest first
    live: Mapping[str, int]  # incidents of a message that are not over


class Planner:
    """The rules of one chat channel.

    Args:
        channel: its settings.
        settings: those of all channels.
        editable: whether messages can be changed once they are sent.
    """

    def __init__(
        self, channel: ChannelSettings, settings: NotifySettings, *, editable: bool
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._editable = editable

    def next(self, queue: Queue, now: datetime) -> Action | None:
        """What to send now, if anything."""
        new = [row for row in queue.pending if not row.message and not self.held(row, now)]
        return (
            self._open([row for row in new if row.status != "resolved"], new, queue, now)
            or self._develop(queue, now)
            or self._open(new, new, queue, now)
        )

    def _open(
        self, first: Sequence[Row], new: Sequence[Row], queue: Queue, now: datetime
    ) -> Action | None:
        if not first:
            return None
        storms = [one for one in queue.recent if one.storm]
        singles = len(queue.recent) - len(storms)
        if storms:
            return self._join(storms[-1], new, queue, now)
        if len(new) >= self._settings.storm or singles >= self._settings.storm:
            return self._storm(new)
        return Action("post", first[0].incident_id, (first[0],))

    def _join(self, storm: Sent, new: Sequence[Row], queue: Queue, now: datetime) -> Action | None:
        """Further incidents of a storm: into its message, or into one more that is worse."""
        assert storm.begun_at is not None
        if rank(_worst(new)) > rank_of(storm.told_severity):
            return self._storm(new)
        if self._editable:
            known = [row for row in queue.pending if row.message == storm.key]
            return Action("edit", storm.key, (*known, *new), storm)
        over = storm.begun_at + timedelta(seconds=self._settings.regroup_s)
        return self._storm(new) if now >= over else None

    def _storm(self, new: Sequence[Row]) -> Action:
        return Action("post", f"{STORM}{new[0].outbox_id}", tuple(new))

    def _develop(self, queue: Queue, now: datetime) -> Action | None:
        """The message with the oldest news, and all that there is to tell of it."""
        told = [row for row in queue.pending if row.message]
        for row in sorted(told, key=lambda one: (one.since or now, one.outbox_id)):
            sent = queue.sent.get(row.message)
            if sent is None or sent.attempt:
                continue
            rows = tuple(one for one in queue.pending if one.message == row.message)
            action = self._of_message(sent, rows, queue.live.get(row.message, 0), now)
            if action is not None:
                return action
        return None

    def _of_message(
        self, sent: Sent, rows: tuple[Row, ...], live: int, now: datetime
    ) -> Action | None:
        if self._editable:
            return Action("edit" if sent.ref else "post", sent.key, rows, sent)
        worst = _worst(rows)
        if worst == "critical" and rank_of(sent.told_severity) < rank("critical"):
            return Action("escalate", sent.key, rows, sent)
        if not live and sent.told_status != "resolved":
            quiet = all(self.held(row, now) for row in rows)
            return None if quiet else Action("end", sent.key, rows, sent)
        return Action("skip", sent.key, rows, sent)

    def held(self, row: Row, now: datetime) -> bool:
        """Whether quiet hours hold back a message about an incident."""
        return rests(self._channel, row, now)


def rank_of(severity: str) -> int:
    """The rank of what a message told; below all when it has told nothing."""
    known = get_args(Severity)
    return known.index(severity) if severity in known else -1


def _worst(rows: Sequence[Row]) -> Severity:
    return max((row.severity for row in rows), key=rank)
