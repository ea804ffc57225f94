"""An incident read back from its document, so that it is worded as everywhere else."""

from __future__ import annotations

from itertools import zip_longest

from detector.documents import ANY, IncidentDocument, WindowReference
from detector.types import Attribution, Incident, Series, Signature, Window


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
