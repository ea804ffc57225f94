"""``/v1/services``: what each service has suffered, and how well it is known."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.store.impact import service_costs, window_costs
from detector.store.series_rows import find_services, known_of
from detector.store.shared import Connection
from detector.web import answers, cursors, examples
from detector.web.parameters import Paged, check_none, read
from detector.web.problems import not_found
from detector.web.series import told_at
from detector.web.state import state_of

router = answers.router("services")

Name = Annotated[str, Meta(min_length=1, max_length=253)]
WINDOWS = 20  # that cost one service most


class ServiceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A service; ``since`` and what is counted before it speak of its series (/v1/series)."""

    host: str
    series: int
    sources: int
    learning: int
    since: datetime | None
    incidents: int
    live: int
    excess: float
    last_incident_at: datetime | None


class WindowCost(msgspec.Struct, frozen=True, kw_only=True):
    """Errors beyond expectation in incidents that a reconciliation window caused."""

    window_id: str
    excess: float
    incidents: int


class OneService(ServiceDocument, frozen=True, kw_only=True):
    """A service with the windows that cost it most, the dearest first."""

    windows: list[WindowCost]


class ServicePage(msgspec.Struct, frozen=True, kw_only=True):
    """Services by host."""

    items: list[ServiceDocument]
    next_page_token: str | None = None


class ServiceQuery(Paged, frozen=True):
    """Which services are asked for."""

    q: Annotated[Name | None, Meta(description="Part of the host.")] = None


_EXAMPLE = ServiceDocument(
    host=examples.INCIDENT.services[0],
    series=6,
    sources=2,
    learning=1,
    since=examples.BASELINE.since,
    incidents=3,
    live=0,
    excess=1204.2,
    last_incident_at=examples.INCIDENT.started_at,
)


def _documents(connection: Connection, hosts: Collection[str]) -> list[ServiceDocument]:
    known = known_of(connection, hosts, told_at(connection))
    costs = {one.service: one for one in service_costs(connection, services=hosts)}
    made = []
    for host in hosts:
        facts, cost = known.get(host), costs.get(host)
        made.append(
            ServiceDocument(
                host=host,
                series=facts.series if facts else 0,
                sources=facts.sources if facts else 0,
                learning=facts.learning if facts else 0,
                since=facts.since if facts else None,
                incidents=cost.incidents if cost else 0,
                live=cost.live if cost else 0,
                excess=cost.excess if cost else 0.0,
                last_incident_at=cost.last if cost else None,
            )
        )
    return made


@router.get(
    "/services",
    **answers.described(
        answer=ServicePage, example=ServicePage(items=[_EXAMPLE]), query=ServiceQuery
    ),
)
def services(request: Request) -> Response:
    """Services that ever failed, by host."""
    query = read(request, ServiceQuery)
    after = cursors.decode(request, query.page_token, str)
    with state_of(request).store.reading() as connection:
        hosts = find_services(connection, text=query.q, after=after, limit=query.page_size + 1)
        page = _documents(connection, hosts[: query.page_size])
    if len(hosts) <= query.page_size:
        return answers.send(request, ServicePage(items=page))
    token = cursors.encode(request, page[-1].host)
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, ServicePage(items=page, next_page_token=token), headers=link)


@router.get(
    "/services/{host}",
    **answers.described(
        answer=OneService,
        example=OneService(
            **msgspec.structs.asdict(_EXAMPLE),
            windows=[WindowCost(window_id=examples.WINDOW.id, excess=411.6, incidents=1)],
        ),
        problems={404: "There is no such service."},
    ),
)
def service(request: Request, host: str) -> Response:
    """One service with the windows that cost it most."""
    check_none(request)
    with state_of(request).store.reading() as connection:
        (found,) = _documents(connection, [host])
        if not found.series and not found.incidents:
            raise not_found("service", host)
        costs = window_costs(connection, host, limit=WINDOWS)
    windows = [
        WindowCost(window_id=one.window_id, excess=one.excess, incidents=one.incidents)
        for one in costs
    ]
    return answers.send(request, OneService(**msgspec.structs.asdict(found), windows=windows))
