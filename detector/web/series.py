"""``/v1/series``: what is normal, series by series, since when, and what is still being learnt."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector import clock
from detector.store.incident_index import Wanted, find_incidents
from detector.store.progress import event_time
from detector.store.series_rows import SeriesRow, find_series, one_series
from detector.store.shared import Connection
from detector.types import Series
from detector.web import answers, cursors, examples
from detector.web.parameters import Paged, check_none, read
from detector.web.problems import not_found
from detector.web.state import state_of

router = answers.router("series")

Name = Annotated[str, Meta(min_length=1, max_length=253)]
INCIDENTS = 20  # of one series


class SeriesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A series and its baseline; times are event time.

    ``rate`` is the usual number of failures per request. The series is still being learnt until
    ``learned_at``, and as long as it is not ``judged``: for that it needs more traffic. Until then
    it takes more errors to alarm. ``counted`` means that successes are not logged: failures are
    held against the usual number of failures.
    """

    id: str
    reporter: str
    source: str
    service: str
    signal: str
    rate: float
    since: datetime
    learned_at: datetime
    learning: bool
    judged: bool
    counted: bool


class OneSeries(SeriesDocument, frozen=True, kw_only=True):
    """A series with the ids of its latest incidents, the last one first."""

    incidents: list[str]


class SeriesPage(msgspec.Struct, frozen=True, kw_only=True):
    """Series by service, source, signal and reporter."""

    items: list[SeriesDocument]
    next_page_token: str | None = None


class SeriesQuery(Paged, frozen=True):
    """Which series are asked for; a parameter that is repeated means any of its values."""

    service: Annotated[tuple[Name, ...], Meta(description="Host of the service.")] = ()
    source: Annotated[tuple[Name, ...], Meta(description="The caller, workload.namespace.")] = ()
    signal: Annotated[
        tuple[Name, ...], Meta(description="A response flag, or a response code.")
    ] = ()
    namespace: Annotated[Name | None, Meta(description="Of the service or the caller.")] = None
    learning: Annotated[
        bool | None, Meta(description="Only those that are still being learnt, or are not.")
    ] = None
    q: Annotated[Name | None, Meta(description="Part of the name of service or caller.")] = None


def told_at(connection: Connection) -> datetime:
    """The event time at which something is, or is not, still being learnt."""
    return event_time(connection) or clock.now()


def document(row: SeriesRow, now: datetime) -> SeriesDocument:
    """A series as lists tell it."""
    one, (reporter, source, destination, signal) = row.baseline, row.baseline.series
    return SeriesDocument(
        id=row.id,
        reporter=reporter,
        source=source,
        service=destination,
        signal=signal,
        rate=one.rate,
        since=one.since,
        learned_at=one.settles_at,
        learning=not one.judged or one.settles_at > now,
        judged=one.judged,
        counted=one.counted,
    )


_EXAMPLE = document(SeriesRow("1f0e9d2c3b4a5968", examples.BASELINE), examples.NOON)


@router.get(
    "/series",
    **answers.described(answer=SeriesPage, example=SeriesPage(items=[_EXAMPLE]), query=SeriesQuery),
)
def series(request: Request) -> Response:
    """Series that ever failed, with what is usual for each."""
    query = read(request, SeriesQuery)
    after = cursors.decode(request, query.page_token, str)
    with state_of(request).store.reading() as connection:
        now = told_at(connection)
        found = find_series(
            connection,
            service=query.service,
            source=query.source,
            signal=query.signal,
            namespace=query.namespace,
            learning_at=None if query.learning is None else (query.learning, now),
            text=query.q,
            after=_place(after),
            limit=query.page_size + 1,
        )
    page = [document(one, now) for one in found[: query.page_size]]
    if len(found) <= query.page_size:
        return answers.send(request, SeriesPage(items=page))
    token = cursors.encode(request, "\n".join(found[len(page) - 1].baseline.series))
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, SeriesPage(items=page, next_page_token=token), headers=link)


def _place(token: str | None) -> Series | None:
    """The last series of the page before."""
    if token is None:
        return None
    parts = token.split("\n")
    if len(parts) != len(Series._fields):
        raise cursors.not_ours()
    return Series(*parts)


@router.get(
    "/series/{series_id}",
    **answers.described(
        answer=OneSeries,
        example=OneSeries(**msgspec.structs.asdict(_EXAMPLE), incidents=[examples.INCIDENT.id]),
        problems={404: "There is no such series."},
    ),
)
def one(request: Request, series_id: str) -> Response:
    """One series with its latest incidents."""
    check_none(request)
    with state_of(request).store.reading() as connection:
        found = one_series(connection, series_id)
        if found is None:
            raise not_found("series", series_id)
        told = document(found, told_at(connection))
        kind = "code" if told.signal.isdecimal() else "flag"
        names = {"service": [told.service], "source": [told.source], kind: [told.signal]}
        incidents = find_incidents(connection, Wanted(names=names), limit=INCIDENTS)
    ids = [incident.document.id for incident in incidents]
    return answers.send(request, OneSeries(**msgspec.structs.asdict(told), incidents=ids))
