"""``/v1/misses``: faults that were there and that no incident told of."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.missed import Miss, miss_id
from detector.store.misses import put_miss
from detector.store.progress import event_time
from detector.truth import SLACK
from detector.types import Cause
from detector.web import answers, examples, writing
from detector.web.parameters import Instant, check_none
from detector.web.problems import ProblemError
from detector.web.writing import Body, Raw, Reply, Write

router = answers.router("incidents")

Count = Annotated[int, Meta(ge=1, le=2**53)]


class MissBody(Body, frozen=True, kw_only=True):
    """A fault that was there: where, when, and what came of it.

    ``signal`` is the response flag or the response code that it gave; ``failed`` of ``requests``
    failed by it.
    """

    service: Annotated[str, Meta(min_length=1, max_length=253, pattern="^[A-Za-z0-9._:-]+$")]
    signal: Annotated[str, Meta(min_length=1, max_length=24, pattern="^[A-Za-z0-9_]+$")]
    started_at: Instant
    ended_at: Instant
    failed: Count
    requests: Count
    cause: Cause = "workload"
    note: Annotated[str, Meta(max_length=2000)] | None = None


class MissDocument(MissBody, frozen=True, kw_only=True):
    """What was told, and the id that its incident has or will have within seconds."""

    id: str
    by: str
    reported_at: datetime


def shown(miss: Miss) -> MissDocument:
    """A miss as it is answered."""
    return MissDocument(**msgspec.structs.asdict(miss))


def _check(body: MissBody, judged: datetime | None) -> None:
    """Hold a body against itself, and against how far judging is.

    Raises:
        ProblemError: 422; 409, while an incident may still be raised.
    """
    if body.ended_at <= body.started_at:
        raise writing.unprocessable("A fault ends after it has begun.", "/ended_at")
    if body.failed > body.requests:
        raise writing.unprocessable("More failed than were sent.", "/failed")
    if judged is None or judged < body.ended_at + SLACK:
        so_far = "nothing" if judged is None else f"all before {judged:%Y-%m-%d %H:%M:%S} UTC"
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "not-judged",
            f"It may still be found: so far {so_far} has been judged, and a fault is missed "
            f"{SLACK.total_seconds():.0f} s after its end.",
        )


@router.post(
    "/misses",
    **answers.described(
        answer=MissDocument,
        example=shown(examples.MISS),
        body=MissBody,
        body_example={
            "service": examples.MISS.service,
            "signal": examples.MISS.signal,
            "started_at": examples.MISS.started_at,
            "ended_at": examples.MISS.ended_at,
            "failed": examples.MISS.failed,
            "requests": examples.MISS.requests,
            "note": examples.MISS.note,
        },
        headers=(writing.IDEMPOTENCY,),
        status=HTTPStatus.CREATED,
        problems={**writing.PROBLEMS, 409: "That time has not been judged yet."},
    ),
)
def create(request: Request, raw: Raw) -> Response:
    """Tell of a fault that no incident told of; it becomes one, and teaches nothing."""
    check_none(request)
    body = writing.parse(request, raw, MissBody)

    def act(write: Write) -> Reply:
        _check(body, event_time(write.connection))
        miss = Miss(
            id=miss_id(body.service, body.signal, body.started_at),
            **msgspec.structs.asdict(body),
            by=write.by,
            reported_at=write.now,
        )
        kept = put_miss(write.connection, miss)
        write.note("miss.report", miss.id, body)
        return Reply(shown(kept), HTTPStatus.CREATED, f"/v1/incidents/{miss.id}")

    return writing.perform(request, raw, act)
