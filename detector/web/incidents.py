"""``/v1/incidents``: who fails, since when, how much, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector import clock
from detector.documents import IncidentDocument
from detector.silencing import silencers
from detector.store.feedback import (
    Acknowledgement,
    Feedback,
    acknowledgements_of,
    feedback_of,
)
from detector.store.incident_index import Place, Told, Wanted, find_incidents, one_incident
from detector.store.shared import Connection
from detector.store.silences import standing_silences
from detector.types import Cause, Severity, Status
from detector.web import answers, cursors, examples
from detector.web.parameters import Instant, Paged, Query, read
from detector.web.problems import not_found
from detector.web.state import State, state_of

router = answers.router("incidents")

Name = Annotated[str, Meta(min_length=1, max_length=253)]


class IncidentQuery(Paged, frozen=True):
    """Which incidents are asked for; a parameter that is repeated means any of its values."""

    status: Annotated[tuple[Status, ...], Meta(description="In one of these states.")] = ()
    cause: Annotated[tuple[Cause, ...], Meta(description="Attributed to one of these.")] = ()
    severity: Annotated[
        tuple[Severity, ...], Meta(description="The worst that it has been is one of these.")
    ] = ()
    service: Annotated[tuple[Name, ...], Meta(description="Host of a service that fails.")] = ()
    source: Annotated[tuple[Name, ...], Meta(description="A caller, workload.namespace.")] = ()
    namespace: Annotated[tuple[Name, ...], Meta(description="Of a service or a caller.")] = ()
    flag: Annotated[tuple[Name, ...], Meta(description="A response flag, such as NR.")] = ()
    code: Annotated[
        tuple[Annotated[int, Meta(ge=100, le=599)], ...],
        Meta(description="A response code, where there is no flag."),
    ] = ()
    window: Annotated[tuple[Name, ...], Meta(description="Id of a reconciliation window.")] = ()
    fault: Annotated[tuple[Name, ...], Meta(description="Id of a known fault.")] = ()
    since: Annotated[Instant | None, Meta(description="Had not ended by then (RFC 3339).")] = None
    until: Annotated[Instant | None, Meta(description="Started before then (RFC 3339).")] = None
    q: Annotated[Name | None, Meta(description="Part of its id or of one of its names.")] = None


class IncidentAnswer(IncidentDocument, frozen=True, kw_only=True):
    """An incident with what people say of it; ``silenced_by`` names the silences that hold now."""

    acknowledgement: Acknowledgement | None = None
    feedback: Feedback | None = None
    silenced_by: list[str] = msgspec.field(default_factory=list)


class IncidentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents, the one detected last first."""

    items: list[IncidentAnswer]
    next_page_token: str | None = None


_EXAMPLE = IncidentAnswer(
    **msgspec.structs.asdict(examples.INCIDENT),
    acknowledgement=examples.ACKNOWLEDGEMENT,
    feedback=examples.FEEDBACK,
)


def wanted(query: IncidentQuery) -> Wanted:
    """The question that the parameters ask the store."""
    return Wanted(
        status=query.status,
        cause=query.cause,
        names={
            "severity": query.severity,
            "service": query.service,
            "source": query.source,
            "namespace": query.namespace,
            "flag": query.flag,
            "code": [str(code) for code in query.code],
            "window": query.window,
            "fault": query.fault,
        },
        since=query.since,
        until=query.until,
        text=query.q,
    )


@router.get(
    "/incidents",
    **answers.described(
        answer=IncidentPage,
        example=IncidentPage(items=[_EXAMPLE]),
        query=IncidentQuery,
    ),
)
def incidents(request: Request) -> Response:
    """Incidents, the one detected last first."""
    query, state = read(request, IncidentQuery), state_of(request)
    after = cursors.decode(request, query.page_token, Place)
    with state.store.reading() as connection:
        found = find_incidents(connection, wanted(query), limit=query.page_size + 1, after=after)
        page = shown(connection, found[: query.page_size], state)
    if len(found) <= query.page_size:
        return answers.send(request, IncidentPage(items=page))
    last = page[-1]
    token = cursors.encode(request, (last.detected_at, last.id))
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, IncidentPage(items=page, next_page_token=token), headers=link)


@router.get(
    "/incidents/{incident_id}",
    **answers.described(
        answer=IncidentAnswer,
        example=_EXAMPLE,
        problems={404: "There is no such incident."},
    ),
)
def incident(request: Request, incident_id: str) -> Response:
    """One incident."""
    read(request, Query)
    state = state_of(request)
    with state.store.reading() as connection:
        told = one_incident(connection, incident_id)
        if told is None:
            raise not_found("incident", incident_id)
        (answer,) = shown(connection, [told], state)
    return answers.send(request, answer)


def shown(connection: Connection, found: Sequence[Told], state: State) -> list[IncidentAnswer]:
    """Incidents as the settings let them be seen, with what people say of them."""
    ids = [one.document.id for one in found]
    acknowledged, said = acknowledgements_of(connection, ids), feedback_of(connection, ids)
    now = clock.now()
    silences = standing_silences(connection, now)
    return [
        IncidentAnswer(
            **msgspec.structs.asdict(seen(one.document, state)),
            acknowledgement=acknowledged.get(one.document.id),
            feedback=said.get(one.document.id),
            silenced_by=[silence.id for silence in silencers(silences, one.document, now)],
        )
        for one in found
    ]


def seen(document: IncidentDocument, state: State) -> IncidentDocument:
    """An incident as the settings let it be seen."""
    if state.settings.web.exemplars:
        return document
    none: Sequence[str] = []
    return msgspec.structs.replace(document, exemplars=none)
