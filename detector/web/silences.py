"""``/v1/silences``: what people do not want to hear of, and until when."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector import clock
from detector.silencing import LONGEST, Matcher, Silence, State, is_empty
from detector.store.silences import (
    SilencePlace,
    end_silence,
    find_silences,
    one_silence,
    put_silence,
)
from detector.web import answers, cursors, examples, writing
from detector.web.parameters import Instant, Paged, Query, check_none, read
from detector.web.problems import Pointer, ProblemError, not_found
from detector.web.state import state_of
from detector.web.writing import Body, Raw, Reply, Text, Who, Write

router = answers.router("silences")


class SilenceDocument(Silence, frozen=True, kw_only=True):
    """A silence, and whether it holds now."""

    state: State


class SilencePage(msgspec.Struct, frozen=True, kw_only=True):
    """Silences, the one made last first."""

    items: list[SilenceDocument]
    next_page_token: str | None = None


class SilenceQuery(Paged, frozen=True):
    """Which silences are asked for."""

    state: Annotated[State | None, Meta(description="Only those that are so now.")] = None


class SilenceBody(Body, frozen=True, kw_only=True):
    """A silence to be made.

    It has to end: at ``ends_at`` or after ``lasts_s`` seconds. It starts now, if not later.
    """

    matcher: Matcher
    reason: Text
    owner: Who
    ends_at: Instant | None = None
    lasts_s: Annotated[float, Meta(gt=0, le=LONGEST.total_seconds())] | None = None
    starts_at: Instant | None = None


def shown(silence: Silence, now: datetime) -> SilenceDocument:
    """A silence as it is answered."""
    return SilenceDocument(**msgspec.structs.asdict(silence), state=silence.state_at(now))


def make(write: Write, body: SilenceBody) -> Reply:
    """Make a silence.

    Raises:
        ProblemError: 422, when it would mean everything, or has no end that makes sense.
    """
    starts = max(body.starts_at or write.now, write.now)
    if is_empty(body.matcher):
        raise writing.unprocessable("A matcher has to name something.", "/matcher")
    ends = _end(body, starts)
    silence = Silence(
        id=f"s{uuid.uuid4().hex[:12]}",
        matcher=body.matcher,
        reason=body.reason,
        owner=body.owner,
        created_by=write.by,
        created_at=write.now,
        starts_at=starts,
        ends_at=ends,
    )
    put_silence(write.connection, silence)
    write.note("silence.create", silence.id, body)
    place = f"/v1/silences/{silence.id}"
    return Reply(shown(silence, write.now), HTTPStatus.CREATED, place)


def finish(write: Write, silence_id: str) -> Reply:
    """Let a silence end now.

    Raises:
        ProblemError: 404; 409, when it has ended already; 412 or 428, when the writer has not
            seen it as it is.
    """
    found = one_silence(write.connection, silence_id)
    if found is None:
        raise not_found("silence", silence_id)
    write.check(shown(found, write.now), needed=True)
    if found.state_at(write.now) == "ended":
        detail = "This silence has ended already."
        raise ProblemError(HTTPStatus.CONFLICT, "ended", detail, errors=[Pointer(detail)])
    end_silence(write.connection, silence_id, write.now)
    write.note("silence.end", silence_id, {"ends_at": found.ends_at})
    ended = one_silence(write.connection, silence_id)
    assert ended is not None
    return Reply(shown(ended, write.now))


def _end(body: SilenceBody, starts: datetime) -> datetime:
    if body.ends_at is not None and body.lasts_s is not None:
        raise writing.unprocessable("Give ends_at or lasts_s, not both.", "/lasts_s")
    if body.lasts_s is not None:
        return starts + timedelta(seconds=body.lasts_s)
    if body.ends_at is None:
        raise writing.unprocessable("A silence has to end: give ends_at or lasts_s.", "/ends_at")
    if body.ends_at <= starts:
        raise writing.unprocessable("The end has to lie ahead, and behind the start.", "/ends_at")
    if body.ends_at - starts > LONGEST:
        longest = f"A silence lasts {LONGEST.days} days at the most; make another one then."
        raise writing.unprocessable(longest, "/ends_at")
    return body.ends_at


@router.get(
    "/silences",
    **answers.described(
        answer=SilencePage,
        example=SilencePage(items=[shown(examples.SILENCE, examples.NOON)]),
        query=SilenceQuery,
    ),
)
def silences(request: Request) -> Response:
    """Silences, the one made last first."""
    query, now = read(request, SilenceQuery), clock.now()
    after = cursors.decode(request, query.page_token, SilencePlace)
    with state_of(request).store.reading() as connection:
        found = find_silences(
            connection, state=query.state, now=now, after=after, limit=query.page_size + 1
        )
    page = [shown(one, now) for one in found[: query.page_size]]
    if len(found) <= query.page_size:
        return answers.send(request, SilencePage(items=page))
    token = cursors.encode(request, (page[-1].created_at, page[-1].id))
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, SilencePage(items=page, next_page_token=token), headers=link)


@router.post(
    "/silences",
    **answers.described(
        answer=SilenceDocument,
        example=shown(examples.SILENCE, examples.NOON),
        body=SilenceBody,
        body_example={
            "matcher": {"service": ["cart.shop.svc.cluster.local"], "signal": ["NR"]},
            "reason": "known, fixed by the next release",
            "owner": "ann",
            "lasts_s": 14400,
        },
        headers=(writing.IDEMPOTENCY,),
        status=HTTPStatus.CREATED,
        problems=writing.PROBLEMS,
    ),
)
def create(request: Request, raw: Raw) -> Response:
    """Make a silence."""
    check_none(request)
    body = writing.parse(request, raw, SilenceBody)
    return writing.perform(request, raw, lambda write: make(write, body))


@router.get(
    "/silences/{silence_id}",
    **answers.described(
        answer=SilenceDocument,
        example=shown(examples.SILENCE, examples.NOON),
        problems={404: "There is no such silence."},
    ),
)
def silence(request: Request, silence_id: str) -> Response:
    """One silence."""
    read(request, Query)
    with state_of(request).store.reading() as connection:
        found = one_silence(connection, silence_id)
    if found is None:
        raise not_found("silence", silence_id)
    return answers.send(request, shown(found, clock.now()))


@router.post(
    "/silences/{silence_id}/end",
    **answers.described(
        answer=SilenceDocument,
        example=shown(examples.SILENCE, examples.NOON),
        headers=(writing.IDEMPOTENCY, writing.IF_MATCH),
        problems={
            **writing.PROBLEMS,
            404: "There is no such silence.",
            409: "It has ended already.",
        },
    ),
)
def end(request: Request, raw: Raw, silence_id: str) -> Response:
    """End a silence now; the incidents that it held back and that go on are told."""
    check_none(request)
    writing.parse(request, raw, Body)
    return writing.perform(request, raw, lambda write: finish(write, silence_id))
