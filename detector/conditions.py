"""The health of the data: what is wrong with the input, which is never an incident of a service.

A condition is one thing that is wrong with one subject (a topic, a partition, a pod's clock). It
is told when it begins and when it is over; meanwhile its words follow the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

ConditionKind = Literal[
    "silent",  # a topic or partition that used to speak says nothing
    "late",  # entries that came after their bucket had been judged
    "clock",  # a clock differs from all others
    "rejects",  # records that are not understood
    "lag",  # reading does not keep up
    "lost",  # records that are gone before they were read
]

CALM = timedelta(minutes=3)
"""A condition is over when it was not seen for so long, so that it does not flicker."""
MAX_OPEN = 200
"""Conditions that are on at once; what comes beyond them is more of the same."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong with the input, on the clock of this machine."""

    kind: ConditionKind
    subject: str
    since: datetime
    seen: datetime  # when it was last the case
    until: datetime | None  # None while it is on
    text: str  # the fact, with its figures
    advice: str

    @property
    def id(self) -> str:
        """Equal for the same thing of the same subject, once it is over and back again too."""
        return f"{self.kind}:{self.subject}"


class Board:
    """The conditions that are on, and those that changed since they were last taken.

    Attributes:
        open: those that are on, by id.
    """

    def __init__(self, conditions: Iterable[Condition] = ()) -> None:
        self.open = {one.id: one for one in conditions if one.until is None}
        self._changed: dict[str, Condition] = {}

    @property
    def is_news(self) -> bool:
        """Whether something changed since it was last taken."""
        return bool(self._changed)

    def see(self, kind: ConditionKind, subject: str, text: str, advice: str, now: datetime) -> bool:
        """Say that something is wrong now; whether that is new."""
        new = Condition(kind, subject, now, now, None, text, advice)
        known = self.open.get(new.id)
        if known is None and len(self.open) >= MAX_OPEN:
            return False
        self._put(new if known is None else replace(new, since=known.since))
        return known is None

    def settle(self, now: datetime) -> list[Condition]:
        """End what has not been seen for a while; those that ended."""
        over = [one for one in self.open.values() if now - one.seen >= CALM]
        ended = [replace(one, until=one.seen) for one in over]
        for one in ended:
            self._put(one)
        return ended

    def take(self) -> list[Condition]:
        """What changed since the last call."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def _put(self, one: Condition) -> None:
        self._changed[one.id] = one
        if one.until is None:
            self.open[one.id] = one
        else:
            self.open.pop(one.id, None)
