"""An incident read back from the store, so that it is worded and drawn as everywhere else."""

from __future__ import annotations

from itertools import zip_longest

from detector.details import unpack
from detector.documents import ANY, IncidentDocument, WindowReference
from detector.engine.memory import HISTORY
from detector.report import charts
from detector.report.charts import Drawing
from detector.report.detail import IncidentDetail
from detector.report.incident_view import view
from detector.report.theme import Theme
from detector.store.impact import details_of
from detector.store.incident_index import one_incident
from detector.store.shared import Connection
from detector.store.window_rows import find_windows, one_window
from detector.types import Attribution, Incident, Series, Signature, Window
from pipelines import schema

SHADED = 60  # windows near an incident


def incident_of(document: IncidentDocument, window: Window | None = None) -> Incident:
    """The incident that a document tells of.

    Its series give the document's services, sources and signals in their order; which of them
    belong together the document does not say.

    Args:
        document: as stored.
        window: the one it is attributed to, with its proxies; without it the window has none.
    """
    told, fault = document.attribution, document.signature
    names = zip_longest(document.sources, document.services, document.signals, fillvalue=ANY)
    return Incident(
        id=document.id,
        status=document.status,
        detected_at=document.detected_at,
        started_at=document.started_at,
        ended_at=document.ended_at,
        series=[Series("source", *one) for one in names],
        errors=document.observed.errors,
        requests=document.observed.requests,
        expected=document.expected.errors,
        upper=document.expected.upper,
        attribution=Attribution(
            told.cause,
            window or (_bare(told.window) if told.window else None),
            told.confidence,
            told.evidence,
            told.against,
        ),
        signature=Signature(fault.id, fault.title, fault.advice) if fault else None,
        exemplars=document.exemplars,
        severity=document.severity,
    )


def _bare(told: WindowReference) -> Window:
    return Window(
        id=told.id,
        kind=told.kind,
        started_at=told.started_at,
        ended_at=told.ended_at,
        from_version=told.from_version,
        to_version=told.to_version,
        revision=None,
        expected=0,
        reconciled={},
        failed=0,
        reason="",
    )


def recall(
    connection: Connection, document: IncidentDocument
) -> tuple[IncidentDetail, list[Window]]:
    """An incident with the counts behind it, and the windows near it."""
    reference = document.attribution.window
    found = incident_of(document, one_window(connection, reference.id) if reference else None)
    body = details_of(connection, document.id)
    detail = _without_counts(found) if body is None else unpack(found, body)
    end = found.ended_at or found.last_alarm_at or found.detected_at
    windows = find_windows(connection, since=found.started_at, until=end, limit=SHADED)
    own = found.attribution.window
    if own is not None and all(one.id != own.id for one in windows):
        windows.append(own)
    return detail, windows


def picture(
    connection: Connection, incident_id: str, bucket_s: int, theme: Theme = "light"
) -> bytes | None:
    """The chart of an incident's errors as a PNG, from the specification that its page draws.

    Returns:
        None when there is no such incident, or no counts of it were kept.
    """
    told = one_incident(connection, incident_id)
    if told is None:
        return None
    detail, windows = recall(connection, told.document)
    drawn = view(detail, windows, bucket_s).charts
    return charts.png(Drawing(drawn[0].title, drawn[0].spec), theme) if drawn else None


def _without_counts(found: Incident) -> IncidentDetail:
    return IncidentDetail(found, schema.empty(HISTORY), schema.empty(schema.MOMENTS))
