"""``/services``: what each service has suffered, from which windows, and what is normal for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from detector.recalling import incident_of
from detector.store.impact import ServiceCost, service_costs, window_costs
from detector.store.incident_index import Wanted, count_incidents, find_incidents
from detector.store.series_rows import Known, find_services, known_of, usual_of
from detector.store.shared import Connection
from detector.store.window_rows import windows_by_id
from detector.web.pages.comparing import Reconciliation
from detector.web.pages.forms import read_form
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pulse import Pulse, take_pulse
from detector.web.parameters import Query
from detector.web.problems import not_found
from detector.web.series import document
from detector.web.state import state_of

router = APIRouter(route_class=PageRoute)

LISTED = 100  # services
INCIDENTS = 10  # of one service
WINDOWS = 6  # that cost one service most
SERIES = 20  # of one service


class ServiceQuery(Query, frozen=True):
    """Which services are shown."""

    q: Annotated[
        Annotated[str, Meta(max_length=253)] | None, Meta(description="Part of the name.")
    ] = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A service: what it has suffered, if anything, and how well it is known, if at all."""

    service: str
    cost: ServiceCost | None
    known: Known | None


@router.get("/services")
def services(request: Request) -> Response:
    """All services: those that incidents touched before those that none did."""
    _, query = read_form(request, ServiceQuery)
    state = state_of(request)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        found = _list(connection, query.q, pulse)
    return page(
        request,
        "services",
        pulse=pulse,
        query=query,
        listed=found[:LISTED],
        more=len(found) > LISTED,
        most=max((one.cost.excess for one in found if one.cost), default=0.0),
    )


def _list(connection: Connection, text: str | None, pulse: Pulse) -> list[Listed]:
    """At the most one more than are shown."""
    costs = {one.service: one for one in service_costs(connection, search=text, limit=LISTED + 1)}
    names = find_services(connection, text=text, after=None, limit=LISTED + 1)
    hosts = [*costs, *(one for one in names if one not in costs)][: LISTED + 1]
    known = known_of(connection, hosts, pulse.as_of)
    return [Listed(host, costs.get(host), known.get(host)) for host in hosts]


@router.get("/services/{host:path}")
def service(request: Request, host: str) -> Response:
    """One service."""
    state = state_of(request)
    wanted = Wanted(names={"service": [host]})
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        found = find_incidents(connection, wanted, limit=INCIDENTS)
        count = count_incidents(connection, wanted)
        known = known_of(connection, [host], pulse.as_of).get(host)
        usual = usual_of(connection, host, SERIES)
        costs = window_costs(connection, host, limit=WINDOWS)
        windows = windows_by_id(connection, [one.window_id for one in costs])
    if not count and known is None:
        raise not_found("service", host)
    told = [
        Reconciliation(windows[one.window_id], [one]) for one in costs if one.window_id in windows
    ]
    return page(
        request,
        "service",
        pulse=pulse,
        host=host,
        incidents=[incident_of(one.document) for one in found],
        count=count,
        known=known,
        usual=[document(one, pulse.as_of) for one in usual],
        windows=told,
        most=max((one.excess for one in told), default=0.0),
    )
