"""One change of an incident, and the notice that tells it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from detector.documents import IncidentDocument
from detector.types import Cause, Incident, Severity, Status

EntryKind = Literal[
    "opened",
    "joined",  # another series belongs to it
    "worsened",  # its excess has doubled
    "severity",  # it has become more severe
    "cause",  # the named cause, its window or the known fault is another one
    "recovering",
    "relapsed",  # alarms again while it was recovering
    "resolved",
]

TOLD: frozenset[EntryKind] = frozenset(
    {"opened", "worsened", "severity", "cause", "recovering", "relapsed", "resolved"}
)
"""Kinds worth telling: they change what a reader would do. Another series of a known fault does
not; it shows when the message is next written."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an incident's timeline, with its figures at that time."""

    incident_id: str
    number: int  # from 1, within the incident
    time: datetime  # event time
    kind: EntryKind
    text: str  # what changed, in words
    status: Status
    severity: Severity
    cause: Cause
    confidence: float
    errors: float
    excess: float

    @classmethod
    def of(
        cls, incident: Incident, number: int, time: datetime, kind: EntryKind, text: str
    ) -> Entry:
        """An entry with the figures that its incident has now."""
        told = incident.attribution
        return cls(
            incident_id=incident.id,
            number=number,
            time=time,
            kind=kind,
            text=text,
            status=incident.status,
            severity=incident.severity,
            cause=told.cause,
            confidence=told.confidence,
            errors=incident.errors,
            excess=incident.excess,
        )


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How far an incident reaches: the blast radius."""

    services: int
    sources: int  # calling workloads
    reconciled: int  # proxies that took on new configuration in its window
    expected: int  # proxies that should; 0 without a window or a known fleet
    refused: int


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it is told, by whatever channel."""

    kind: EntryKind  # what changed last
    verdict: str  # one sentence with the numbers
    cause: str  # the cause as a clause
    reach: Reach
    document: IncidentDocument
