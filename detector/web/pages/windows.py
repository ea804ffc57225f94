"""``/windows``: every reconciliation, what it cost, and how that compares."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from detector.recalling import incident_of
from detector.reconciliation import window_of
from detector.store.impact import costs_of
from detector.store.incident_index import Wanted, find_incidents
from detector.store.marks import one_mark
from detector.store.shared import Connection
from detector.store.window_rows import WindowPlace, find_windows, one_window
from detector.types import Window
from detector.web import cursors
from detector.web.pages.comparing import CHANGES, compared, cost, sentence, told_of
from detector.web.pages.forms import read_form
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pulse import take_pulse
from detector.web.problems import not_found
from detector.web.state import state_of
from detector.web.windows import WindowQuery

router = APIRouter(route_class=PageRoute)

COMPARED = 12  # windows beside each other
INCIDENTS = 20  # that followed one window
PROXIES = 500  # of one window, by the time of their reconnect


@router.get("/windows")
def windows(request: Request) -> Response:
    """The list, with the changes of version compared at its head."""
    request, query = read_form(request, WindowQuery)
    state = state_of(request)
    after = cursors.decode(request, query.page_token, WindowPlace)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        found = find_windows(
            connection,
            kinds=query.kind,
            open_now=query.open,
            since=query.since,
            until=query.until,
            after=after,
            limit=query.page_size + 1,
        )
        listed = told_of(connection, found[: query.page_size])
        changes = told_of(connection, find_windows(connection, kinds=CHANGES, limit=COMPARED))
    older = None
    if len(found) > query.page_size:
        last = listed[-1].window
        older = cursors.next_page(request, cursors.encode(request, (last.started_at, last.id)))
    return page(
        request,
        "windows",
        pulse=pulse,
        query=query,
        listed=listed,
        changes=changes,
        most=max((one.excess for one in changes), default=0.0),
        sentence=sentence(changes),
        cost=cost,
        older=older,
        first=query.page_token is None,
        filtered=any(name != cursors.PAGE_TOKEN for name in request.query_params),
    )


@router.get("/windows/{window_id}")
def window(request: Request, window_id: str) -> Response:
    """One reconciliation, proxy by proxy and service by service."""
    state = state_of(request)
    with state.store.reading() as connection:
        found = _read(connection, window_id)
        pulse = take_pulse(connection, state.settings)
        costs = costs_of(connection, [window_id])
        told = told_of(connection, [found])[0]
        wanted = Wanted(names={"window": [window_id]})
        incidents = find_incidents(connection, wanted, limit=INCIDENTS)
        likes = find_windows(connection, kinds=[found.kind], limit=COMPARED)
        earlier = told_of(connection, [one for one in likes if one.id != window_id])
    times = sorted(found.reconciled.items(), key=lambda item: (item[1], item[0]))
    return page(
        request,
        "window",
        pulse=pulse,
        window=found,
        told=told,
        costs=costs,
        incidents=[incident_of(one.document) for one in incidents],
        earlier=earlier,
        compared=compared(told, earlier),
        cost=cost,
        most=max((one.excess for one in [told, *earlier]), default=0.0),
        proxies=times[:PROXIES],
        more_proxies=max(0, len(times) - PROXIES),
    )


def _read(connection: Connection, window_id: str) -> Window:
    """A window, or one that was announced and that the worker has not met."""
    found = one_window(connection, window_id)
    mark = one_mark(connection, window_id) if found is None else None
    if mark is not None:
        return window_of(mark)
    if found is None:
        raise not_found("window", window_id)
    return found
