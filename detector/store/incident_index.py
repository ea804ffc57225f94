"""What incidents are looked up by, and the lists of them, page by page.

Beside each incident stand its names in a table of their own, so that a filter is a look into an
index and not a search through documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from detector import documents
from detector.documents import IncidentDocument
from detector.store import tables
from detector.store.tables import metadata
from detector.types import Incident

incident_names = Table(
    "incident_names",
    metadata,
    Column(
        "incident_id",
        sa.String,
        ForeignKey("incidents.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("kind", sa.String, primary_key=True),
    Column("name", sa.String, primary_key=True),
    Index(None, "kind", "name"),
)

KINDS = ("service", "source", "namespace", "flag", "code", "window", "fault", "severity")
"""What an incident can be looked up by beside its own columns."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents are asked for; what is left empty asks for nothing.

    Args:
        status: one of these.
        cause: one of these.
        names: by kind (`KINDS`), one of these each.
        since: it had not ended by then.
        until: it started before.
        text: part of its id or of one of its names.
    """

    status: Sequence[str] = ()
    cause: Sequence[str] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


class Place(NamedTuple):
    """Where an incident stands in the order of lists: neither ever changes."""

    detected_at: datetime
    id: str


class Told(NamedTuple):
    """An incident as it is stored."""

    document: IncidentDocument
    revision: int  # how often it was written


def put_names(connection: sa.Connection, incidents: Iterable[Incident]) -> None:
    """Write what incidents are looked up by, behind the write of the incidents themselves."""
    for incident in incidents:
        wanted = _names(documents.document(incident))
        query = sa.select(incident_names.c.kind, incident_names.c.name).where(
            incident_names.c.incident_id == incident.id
        )
        present = {(row.kind, row.name) for row in connection.execute(query)}
        for kind, name in present - wanted:
            connection.execute(
                sa.delete(incident_names).where(
                    incident_names.c.incident_id == incident.id,
                    incident_names.c.kind == kind,
                    incident_names.c.name == name,
                )
            )
        new = [
            {"incident_id": incident.id, "kind": kind, "name": name}
            for kind, name in sorted(wanted - present)
        ]
        if new:
            connection.execute(sa.insert(incident_names), new)


def find_incidents(
    connection: sa.Connection, wanted: Wanted, *, limit: int, after: Place | None = None
) -> list[Told]:
    """Incidents, the one detected last first; those behind ``after`` only."""
    table = tables.incidents
    query = (
        sa.select(table.c.document, table.c.revision)
        .where(*_conditions(wanted))
        .order_by(table.c.detected_at.desc(), table.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(
            sa.or_(
                table.c.detected_at < after.detected_at,
                sa.and_(table.c.detected_at == after.detected_at, table.c.id < after.id),
            )
        )
    return [Told(documents.decode(text), revision) for text, revision in connection.execute(query)]


def count_incidents(connection: sa.Connection, wanted: Wanted) -> int:
    """How many incidents there are."""
    query = sa.select(sa.func.count()).select_from(tables.incidents).where(*_conditions(wanted))
    return connection.scalar(query) or 0


def one_incident(connection: sa.Connection, incident_id: str) -> Told | None:
    """One incident; None if unknown."""
    table = tables.incidents
    query = sa.select(table.c.document, table.c.revision).where(table.c.id == incident_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else Told(documents.decode(row.document), row.revision)


def _conditions(wanted: Wanted) -> Iterable[sa.ColumnElement[bool]]:
    table = tables.incidents
    if wanted.status:
        yield table.c.status.in_(wanted.status)
    if wanted.cause:
        yield table.c.cause.in_(wanted.cause)
    if wanted.since is not None:
        yield sa.or_(table.c.ended_at.is_(None), table.c.ended_at >= wanted.since)
    if wanted.until is not None:
        yield table.c.started_at < wanted.until
    for kind, names in wanted.names.items():
        if names:
            yield _named(sa.and_(incident_names.c.kind == kind, incident_names.c.name.in_(names)))
    if wanted.text:
        part = wanted.text.lower()
        yield sa.or_(
            table.c.id.contains(part, autoescape=True),
            _named(sa.func.lower(incident_names.c.name).contains(part, autoescape=True)),
        )


def _named(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(incident_names.c.incident_id == tables.incidents.c.id, condition)


def _names(document: IncidentDocument) -> set[tuple[str, str]]:
    window, fault = document.attribution.window, document.signature
    return {
        *(("service", name) for name in document.services),
        *(("source", name) for name in document.sources),
        *(("namespace", space) for space in _namespaces(document)),
        *(("code" if one.isdecimal() else "flag", one) for one in document.signals),
        ("severity", document.severity),
        *([("window", window.id)] if window else []),
        *([("fault", fault.id)] if fault else []),
    }


def _namespaces(document: IncidentDocument) -> set[str]:
    """Of hosts ("cart.shop.svc.cluster.local", "cart.shop") and of workloads ("web.shop")."""
    hosts = (name.partition(":")[0].split(".") for name in (*document.services, *document.sources))
    return {parts[1] for parts in hosts if len(parts) > 1}
