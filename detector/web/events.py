"""``/v1/events``: what changes, as it changes, as server-sent events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal, get_args

import msgspec
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from msgspec import Meta
from starlette.concurrency import run_in_threadpool

from detector.errors import StoreError
from detector.store.audit import AuditEntry
from detector.store.news import News, Position, news, position
from detector.web import answers, examples
from detector.web.health import document as condition_document
from detector.web.incidents import IncidentAnswer, shown
from detector.web.parameters import Query, read
from detector.web.problems import Pointer, ProblemError
from detector.web.state import State, state_of
from detector.web.windows import document as window_document

router = answers.router("events")

MEDIA_TYPE = "text/event-stream"
LAST = "Last-Event-ID"
EventKind = Literal["incident", "window", "condition", "change"]

MOST = 200
"""Changes of a kind that are sent one by one; who missed more reads anew."""
LASTS_S = 900.0
"""Seconds after which a stream ends and the client comes again: so a token that was revoked opens
nothing for longer."""
RETRY_MS = 3_000

_ID = re.compile(r"(\d{1,18})\.(\d{1,18})")


class EventQuery(Query, frozen=True):
    """What is to be told."""

    kind: Annotated[
        tuple[EventKind, ...], Meta(description="Only these kinds; by default all.")
    ] = ()


class ChangeMade(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody changed something: the ``subject`` is the id of an incident, silence or window."""

    action: str
    subject: str
    at: datetime


_EXAMPLE = (
    f"retry: {RETRY_MS}\n\nevent: position\nid: 41.7\ndata: {{}}\n\n"
    'event: change\nid: 41.8\ndata: {"action":"incident.acknowledge",'
    f'"subject":"{examples.INCIDENT.id}","at":"2026-11-23T12:01:00Z"}}\n\n'
)
_HEADER = {
    "name": LAST,
    "in": "header",
    "required": False,
    "description": "The id of the last event that was seen; what changed since is told first.",
    "schema": {"type": "string", "pattern": f"^{_ID.pattern}$"},
}
_TEXT = """\
What changes, as it changes: incidents, windows and conditions of the input as they are read \
elsewhere, and changes that people make."""


@router.get(
    "/events",
    **answers.described(
        answer=str,
        example=_EXAMPLE,
        query=EventQuery,
        headers=(_HEADER,),
        media_type=MEDIA_TYPE,
        problems={503: "The store cannot be read now, or too many follow already."},
    ),
    description=_TEXT,
)
async def events(request: Request) -> Response:
    """What changes, as it changes, as server-sent events."""
    query, state = read(request, EventQuery), state_of(request)
    seen = _last(request)
    if state.streams.full:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "streams",
            "Too many follow already (web.max_streams); ask now and then instead.",
            headers={"Retry-After": "30"},
        )
    now = await run_in_threadpool(_now, state)
    kinds = set(query.kind or get_args(EventKind))
    return StreamingResponse(
        _stream(state, kinds, now, seen),
        media_type=MEDIA_TYPE,
        headers={"X-Accel-Buffering": "no"},  # a proxy before us passes on what comes
    )


def _last(request: Request) -> Position | None:
    """What the client has seen.

    Raises:
        ProblemError: 400, when the header is none of our ids.
    """
    told = request.headers.get(LAST)
    if not told:
        return None
    found = _ID.fullmatch(told)
    if found is None:
        detail = f"{LAST} is none that this server gave."
        fault = Pointer(detail, parameter=LAST)
        raise ProblemError(HTTPStatus.BAD_REQUEST, "parameter", detail, errors=[fault])
    return Position(int(found[1]), int(found[2]))


def _now(state: State) -> Position:
    with state.store.reading() as connection:
        return position(connection)


async def _stream(
    state: State, kinds: set[str], now: Position, seen: Position | None
) -> AsyncIterator[bytes]:
    with state.streams.counted():
        if seen is None:
            seen = now
            yield f"retry: {RETRY_MS}\n\n".encode() + _event("position", {}, seen)
        else:
            yield f"retry: {RETRY_MS}\n\n".encode()
        async for move in state.streams.moves(seen, LASTS_S):
            if move is None:
                yield b": still here\n\n"
                continue
            try:
                text = await run_in_threadpool(_told, state, kinds, seen, move)
            except StoreError:
                return  # the client comes again, and learns why
            seen = move
            yield text


def _told(state: State, kinds: set[str], seen: Position, move: Position) -> bytes:
    """What changed between two positions; only the last event carries the new one.

    So a client that was cut off in the middle is told all of it again.
    """
    if move.step < seen.step or move.entry < seen.entry:
        return _event("reset", {}, move)  # another store, or an older state of this one
    with state.store.reading() as connection:
        found = news(connection, seen, MOST + 1)
        if found.most > MOST:
            return _event("reset", {}, move)
        incidents = shown(connection, found.incidents, state) if "incident" in kinds else []
    made = [one for one in _documents(found, incidents) if one[0] in kinds]
    if not made:
        return _event("position", {}, move)
    *first, last = made
    return b"".join(_event(*one) for one in first) + _event(*last, move)


def _documents(found: News, incidents: list[IncidentAnswer]) -> Iterator[tuple[EventKind, object]]:
    yield from (("incident", one) for one in incidents)
    yield from (("window", window_document(one)) for one in found.windows)
    yield from (("condition", condition_document(one)) for one in found.conditions)
    yield from (("change", _change(one)) for one in found.changes)


def _change(entry: AuditEntry) -> ChangeMade:
    return ChangeMade(action=entry.action, subject=entry.subject, at=entry.at)


def _event(kind: str, data: object, at: Position | None = None) -> bytes:
    """One event; JSON has no line ends in it."""
    mark = "" if at is None else f"id: {at.step}.{at.entry}\n"
    return f"event: {kind}\n{mark}data: ".encode() + msgspec.json.encode(data) + b"\n\n"
