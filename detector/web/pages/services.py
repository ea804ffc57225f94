"""``/services``: what each service has suffered, from which windows, and what is normal for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from detector.recalling import incident_of
from detector.store.impact import service_costs, window_costs
from detector.store.incident_index import Wanted, count_incidents, find_incidents
from detector.store.window_rows import windows_by_id
from detector.web.pages.comparing import Reconciliation
from detector.web.pages.forms import read_form
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pulse import take_pulse
from detector.web.parameters import Query
from detector.web.state import state_of

router = APIRouter(route_class=PageRoute)

LISTED = 100  # services
INCIDENTS = 20  # of one service
WINDOWS = 12  # that cost one service most


class ServiceQuery(Query, frozen=True):
    """Which services are shown."""

    q: Annotated[
        Annotated[str, Meta(max_length=253)] | None, Meta(description="Part of the name.")
    ] = None


@router.get("/services")
def services(request: Request) -> Response:
    """All services that an incident touched."""
    _, query = read_form(request, ServiceQuery)
    state = state_of(request)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        found = service_costs(connection, search=query.q, limit=LISTED + 1)
    return page(
        request,
        "services",
        pulse=pulse,
        query=query,
        listed=found[:LISTED],
        more=len(found) > LISTED,
        most=max((one.excess for one in found), default=0.0),
    )


@router.get("/services/{host:path}")
def service(request: Request, host: str) -> Response:
    """One service."""
    state = state_of(request)
    wanted = Wanted(names={"service": [host]})
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        found = find_incidents(connection, wanted, limit=INCIDENTS)
        count = count_incidents(connection, wanted)
        costs = window_costs(connection, host, limit=WINDOWS)
        windows = windows_by_id(connection, [one.window_id for one in costs])
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
        windows=told,
        most=max((one.excess for one in told), default=0.0),
    )
