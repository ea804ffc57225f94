"""``/v1/health/data``: whether what is heard can be trusted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.conditions import Condition, ConditionKind
from detector.store.conditions import read_conditions
from detector.store.progress import reject_counts
from detector.web import answers, examples
from detector.web.pages.promise import FalseAlarms, false_alarms
from detector.web.pages.pulse import Mood, take_pulse
from detector.web.parameters import Instant, Query, read
from detector.web.state import state_of

router = answers.router("health")


class ConditionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the input, on the clock of the worker."""

    id: str
    kind: ConditionKind
    subject: str
    since: datetime
    seen: datetime
    until: datetime | None
    text: str
    advice: str


class DataHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the worker and its input are.

    ``state`` is ``live`` or ``learning`` when all is well; ``silent`` when the worker lives and
    judges nothing new; ``resting`` when no worker runs; ``empty`` before the first verdict. All up
    to ``event_time`` is judged, ``behind_s`` seconds ago. ``rejects`` counts the records that were
    not understood, by reason.
    """

    state: Mood
    event_time: datetime | None
    behind_s: float
    since: datetime | None
    conditions: list[ConditionDocument]
    rejects: dict[str, int]
    false_alarms: FalseAlarms


class HealthQuery(Query, frozen=True):
    """Which conditions are asked for."""

    since: Annotated[
        Instant | None, Meta(description="Also what was over after then (RFC 3339).")
    ] = None


def document(one: Condition) -> ConditionDocument:
    """A condition as it is answered."""
    return ConditionDocument(
        id=one.id,
        kind=one.kind,
        subject=one.subject,
        since=one.since,
        seen=one.seen,
        until=one.until,
        text=one.text,
        advice=one.advice,
    )


_EXAMPLE = DataHealth(
    state="live",
    event_time=examples.NOON,
    behind_s=21.0,
    since=examples.NOON - timedelta(days=9),
    conditions=[document(examples.CONDITION)],
    rejects={"json-other": 12},
    false_alarms=FalseAlarms(
        promised_per_week=1.0,
        since=examples.NOON - timedelta(days=9),
        incidents=4,
        judged=3,
        false=1,
        false_per_week=7 / 9,
    ),
)


@router.get(
    "/health/data",
    **answers.described(answer=DataHealth, example=_EXAMPLE, query=HealthQuery),
)
def data(request: Request) -> Response:
    """What is wrong with the input, how far judging is, and what was not understood."""
    query, state = read(request, HealthQuery), state_of(request)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        conditions = read_conditions(connection, since=query.since)
        rejects = reject_counts(connection)
        promise = false_alarms(connection, state.settings, pulse)
    return answers.send(
        request,
        DataHealth(
            state=pulse.mood,
            event_time=pulse.time,
            behind_s=pulse.behind.total_seconds(),
            since=pulse.since,
            conditions=[document(one) for one in conditions],
            rejects=rejects,
            false_alarms=promise,
        ),
    )
