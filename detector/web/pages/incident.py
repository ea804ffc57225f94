"""``/incidents/{id}``: what broke, since when, how much, why, and what to do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from detector import clock, recalling
from detector.documents import IncidentDocument
from detector.recalling import recall
from detector.report.incident_view import IncidentView, view
from detector.report.theme import Theme
from detector.store.impact import details_of, shares_of
from detector.store.incident_index import one_incident
from detector.store.outbox import entries_of
from detector.store.shared import Connection
from detector.web.pages.drawn import Drawn
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pairs import version_pairs
from detector.web.pages.pulse import take_pulse
from detector.web.pages.said import said_of
from detector.web.problems import not_found
from detector.web.state import state_of

router = APIRouter(route_class=PageRoute)

ENTRIES = 60  # of the timeline
SERVICES = 12  # in the table of those affected

_views: Drawn[IncidentView] = Drawn(64)


@router.get("/incidents/{incident_id}")
def incident(request: Request, incident_id: str) -> Response:
    """One incident."""
    state = state_of(request)
    with state.store.reading() as connection:
        document = _known(connection, incident_id)
        detail, windows = recall(connection, document)
        counts = details_of(connection, incident_id)
        people = said_of(request, connection, document, clock.now())
        entries = entries_of(connection, incident_id)
        shares = [item for item in shares_of(connection, incident_id).items() if item[0] != "*"]
        pulse = take_pulse(connection, state.settings)
    found = detail.incident
    if not state.settings.web.exemplars:
        found.exemplars = []
    window, bucket_s = found.attribution.window, state.settings.detection.bucket_s
    facts = (document, counts, windows, found.exemplars, bucket_s)
    return page(
        request,
        "incident",
        pulse=pulse,
        incident=found,
        view=_views.get(facts, lambda: view(detail, windows, bucket_s)),
        window=window,
        shares=shares[:SERVICES],
        more_shares=max(0, len(shares) - SERVICES),
        pairs=version_pairs(detail.moments, window) if window else None,
        people=people,
        entries=entries[-ENTRIES:],
        more_entries=max(0, len(entries) - ENTRIES),
    )


@router.get("/incidents/{incident_id}/chart.png")
def chart(request: Request, incident_id: str, theme: Theme = "light") -> Response:
    """The chart of an incident's errors as a picture, from the same specification."""
    state = state_of(request)
    with state.store.reading() as connection:
        body = recalling.picture(connection, incident_id, state.settings.detection.bucket_s, theme)
    if body is None:
        raise not_found("chart of incident", incident_id)
    return Response(body, media_type="image/png", headers={"Cache-Control": "no-cache"})


def _known(connection: Connection, incident_id: str) -> IncidentDocument:
    """An incident's document.

    Raises:
        ProblemError: 404.
    """
    told = one_incident(connection, incident_id)
    if told is None:
        raise not_found("incident", incident_id)
    return told.document
