"""``/incidents``: all of them, searched and page by page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from detector.recalling import incident_of
from detector.store.incident_index import Place, find_incidents
from detector.web import cursors
from detector.web.incidents import IncidentQuery, wanted
from detector.web.pages.forms import read_form
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pulse import take_pulse
from detector.web.state import state_of

router = APIRouter(route_class=PageRoute)


@router.get("/incidents")
def incidents(request: Request) -> Response:
    """The list, narrowed by the parameters that REST has too; empty ones mean nothing."""
    request, query = read_form(request, IncidentQuery)
    state = state_of(request)
    after = cursors.decode(request, query.page_token, Place)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        found = find_incidents(connection, wanted(query), limit=query.page_size + 1, after=after)
    listed = [incident_of(one.document) for one in found[: query.page_size]]
    older = None
    if len(found) > query.page_size:
        last = listed[-1]
        older = cursors.next_page(request, cursors.encode(request, (last.detected_at, last.id)))
    return page(
        request,
        "incidents",
        pulse=pulse,
        query=query,
        listed=listed,
        older=older,
        first=query.page_token is None,
        filtered=any(name != cursors.PAGE_TOKEN for name in request.query_params),
    )
