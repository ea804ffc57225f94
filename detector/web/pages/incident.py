"""``/incidents/{id}``: what broke, since when, how much, why, and what to do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from detector import clock
from detector.details import unpack
from detector.documents import IncidentDocument
from detector.engine.memory import HISTORY
from detector.report import IncidentDetail, charts
from detector.report.charts import Drawing
from detector.report.incident_view import IncidentView, view
from detector.report.theme import Theme
from detector.store.impact import details_of, shares_of
from detector.store.incident_index import one_incident
from detector.store.outbox import entries_of
from detector.store.shared import Connection
from detector.store.window_rows import find_windows, one_window
from detector.types import Incident, Window
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pairs import version_pairs
from detector.web.pages.pulse import take_pulse
from detector.web.pages.restored import incident_of
from detector.web.pages.said import said_of
from detector.web.problems import not_found
from detector.web.state import state_of
from pipelines import schema

router = APIRouter(route_class=PageRoute)

ENTRIES = 60  # of the timeline
SERVICES = 12  # in the table of those affected
SHADED = 60  # windows near the incident


@router.get("/incidents/{incident_id}")
def incident(request: Request, incident_id: str) -> Response:
    """One incident."""
    state = state_of(request)
    with state.store.reading() as connection:
        document = _known(connection, incident_id)
        detail, windows = _read(connection, document, exemplars=state.settings.web.exemplars)
        people = said_of(request, connection, document, clock.now())
        entries = entries_of(connection, incident_id)
        shares = [item for item in shares_of(connection, incident_id).items() if item[0] != "*"]
        pulse = take_pulse(connection, state.settings)
    found = detail.incident
    window = found.attribution.window
    return page(
        request,
        "incident",
        pulse=pulse,
        incident=found,
        view=view(detail, windows, state.settings.detection.bucket_s),
        window=window,
        shares=shares[:SERVICES],
        more_shares=max(0, len(shares) - SERVICES),
        pairs=version_pairs(detail.moments, window) if window else None,
        people=people,
        entries=entries[-ENTRIES:],
        more_entries=max(0, len(entries) - ENTRIES),
    )


@router.get("/incidents/{incident_id}/chart.png")
def picture(request: Request, incident_id: str, theme: Theme = "light") -> Response:
    """The chart of an incident's errors as a picture, from the same specification."""
    state = state_of(request)
    with state.store.reading() as connection:
        document = _known(connection, incident_id)
        detail, windows = _read(connection, document, exemplars=False)
    drawn: IncidentView = view(detail, windows, state.settings.detection.bucket_s)
    if not drawn.charts:
        raise not_found("chart of incident", incident_id)
    chart = drawn.charts[0]
    body = charts.png(Drawing(chart.title, chart.spec), theme)
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


def _read(
    connection: Connection, document: IncidentDocument, *, exemplars: bool
) -> tuple[IncidentDetail, list[Window]]:
    """An incident with the counts behind it, and the windows near it."""
    reference = document.attribution.window
    found = incident_of(document, one_window(connection, reference.id) if reference else None)
    if not exemplars:
        found.exemplars = []
    body = details_of(connection, document.id)
    detail = _bare(found) if body is None else unpack(found, body)
    end = found.ended_at or found.last_alarm_at or found.detected_at
    windows = find_windows(connection, since=found.started_at, until=end, limit=SHADED)
    own = found.attribution.window
    if own is not None and all(one.id != own.id for one in windows):
        windows.append(own)
    return detail, windows


def _bare(found: Incident) -> IncidentDetail:
    """An incident of which no counts were kept."""
    return IncidentDetail(found, schema.empty(HISTORY), schema.empty(schema.MOMENTS))
