"""An incident as the document that leaves the house: NDJSON, store and REST share it.

Field order and names are those of the contract at the edge. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from detector.types import (
    Attribution,
    Cause,
    Incident,
    Severity,
    Signature,
    Status,
    Window,
    WindowKind,
)

ANY = "*"
UNKNOWN = "unknown"
_DECIMALS = 3  # thousandths of an error mean nothing


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document; immutable and strict when read back."""


class Observed(Document, frozen=True):
    """What was counted over the incident."""

    errors: float
    requests: float


class Expected(Document, frozen=True):
    """What the baselines expected of it, and the most they would have let pass."""

    errors: float
    upper: float


class WindowReference(Document, frozen=True):
    """The reconciliation window an incident is attributed to."""

    id: str
    kind: WindowKind
    started_at: datetime
    ended_at: datetime | None
    from_version: str | None
    to_version: str | None


class AttributionDocument(Document, frozen=True):
    """The cause, how sure, why, and what speaks against it (the best argument first)."""

    cause: Cause
    window: WindowReference | None
    confidence: float
    evidence: list[str]
    against: list[str]


class SignatureDocument(Document, frozen=True):
    """A known fault."""

    id: str
    title: str
    advice: str


class IncidentDocument(Document, frozen=True):
    """One incident, one line of NDJSON."""

    id: str
    status: Status
    severity: Severity  # the worst that it has been
    detected_at: datetime  # event time at which it could first be raised
    started_at: datetime
    ended_at: datetime | None
    services: list[str]
    sources: list[str]
    signals: list[str]
    observed: Observed
    expected: Expected
    excess: float
    attribution: AttributionDocument
    signature: SignatureDocument | None
    exemplars: list[str]


_decoder = msgspec.json.Decoder(IncidentDocument)


def document(incident: Incident) -> IncidentDocument:
    """What the world is told of ``incident``.

    Services, sources and signals come in the order of their series, the largest excess first,
    each once. Aggregates (``*``) and unknown callers name nobody and are left out.
    """
    series = incident.series
    return IncidentDocument(
        id=incident.id,
        status=incident.status,
        severity=incident.severity,
        detected_at=_utc(incident.detected_at),
        started_at=_utc(incident.started_at),
        ended_at=incident.ended_at and _utc(incident.ended_at),
        services=_names((item.destination for item in series), without={ANY}),
        sources=_names((item.source for item in series), without={ANY, UNKNOWN}),
        signals=_names((item.signal for item in series), without=set()),
        observed=Observed(errors=_number(incident.errors), requests=_number(incident.requests)),
        expected=Expected(errors=_number(incident.expected), upper=_number(incident.upper)),
        excess=_number(incident.excess),
        attribution=_attribution(incident.attribution),
        signature=_signature(incident.signature),
        exemplars=[_text(line) for line in incident.exemplars],
    )


def encode(incident: Incident) -> str:
    """The document as one line of JSON, without the line end."""
    return msgspec.json.encode(document(incident)).decode()


def decode(text: str | bytes) -> IncidentDocument:
    """Read a document back.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or of the wrong type.
        msgspec.DecodeError: it is no JSON.
    """
    return _decoder.decode(text)


def _attribution(attribution: Attribution) -> AttributionDocument:
    return AttributionDocument(
        cause=attribution.cause,
        window=_window(attribution.window),
        confidence=_number(attribution.confidence),
        evidence=[_text(line) for line in attribution.evidence],
        against=[_text(line) for line in attribution.against],
    )


def _window(window: Window | None) -> WindowReference | None:
    if window is None:
        return None
    return WindowReference(
        id=window.id,
        kind=window.kind,
        started_at=_utc(window.started_at),
        ended_at=window.ended_at and _utc(window.ended_at),
        from_version=window.from_version,
        to_version=window.to_version,
    )


def _signature(signature: Signature | None) -> SignatureDocument | None:
    if signature is None:
        return None
    return SignatureDocument(id=signature.id, title=signature.title, advice=signature.advice)


def _names(names: Iterable[str], *, without: set[str]) -> list[str]:
    return [_text(name) for name in dict.fromkeys(names) if name not in without]


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


def _number(value: float) -> float:
    return round(float(value), _DECIMALS)


def _text(text: str) -> str:
    """Without lone surrogates, which no JSON may carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
