"""What incidents did to each service, and the counts behind their charts.

Shares are rows, so that what a window cost or a service suffered is a sum in the database; the
details are packed (`detector.details`) and read one incident at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from detector.store import tables
from detector.store.incident_index import incident_names
from detector.store.tables import metadata
from detector.types import Incident, Share


def _of_incident() -> Column[str]:
    key = ForeignKey("incidents.id", ondelete="CASCADE")
    return Column("incident_id", sa.String, key, primary_key=True)


incident_shares = Table(
    "incident_shares",
    metadata,
    _of_incident(),
    Column("service", sa.String, primary_key=True),
    Column("errors", sa.Float, nullable=False),
    Column("requests", sa.Float, nullable=False),
    Column("expected", sa.Float, nullable=False),
    Index(None, "service", "incident_id", "errors", "expected"),
)

incident_details = Table(
    "incident_details",
    metadata,
    _of_incident(),
    Column("body", sa.LargeBinary, nullable=False),
)


class Cost(NamedTuple):
    """What a window cost a service: errors beyond expectation in incidents that followed it."""

    window_id: str
    service: str
    excess: float
    incidents: int


class ServiceCost(NamedTuple):
    """What a service has suffered."""

    service: str
    excess: float
    incidents: int
    live: int  # of them, those that are not over
    last: datetime  # start of the latest


def put_shares(connection: sa.Connection, incidents: Iterable[Incident]) -> None:
    """Write the services' shares, behind the write of the incidents themselves."""
    table = incident_shares
    for incident in incidents:
        query = sa.select(table).where(table.c.incident_id == incident.id)
        present = {row.service: Share(*row[2:]) for row in connection.execute(query)}
        if present == incident.shares:
            continue
        connection.execute(sa.delete(table).where(table.c.incident_id == incident.id))
        rows = [
            {"incident_id": incident.id, "service": name, **share._asdict()}
            for name, share in incident.shares.items()
        ]
        if rows:
            connection.execute(sa.insert(table), rows)


def put_details(connection: sa.Connection, details: Mapping[str, bytes]) -> None:
    """Write packed details, in place of those of before."""
    table = incident_details
    known = sa.select(tables.incidents.c.id).where(tables.incidents.c.id.in_(list(details)))
    for name in connection.scalars(known).all():
        connection.execute(sa.delete(table).where(table.c.incident_id == name))
        connection.execute(sa.insert(table).values(incident_id=name, body=details[name]))


def details_of(connection: sa.Connection, incident_id: str) -> bytes | None:
    """The packed details of an incident; None when none were kept."""
    table = incident_details
    return connection.scalar(sa.select(table.c.body).where(table.c.incident_id == incident_id))


def shares_of(connection: sa.Connection, incident_id: str) -> dict[str, Share]:
    """The services' shares of an incident, the largest excess first."""
    table = incident_shares
    rows = connection.execute(sa.select(table).where(table.c.incident_id == incident_id))
    shares = {row.service: Share(row.errors, row.requests, row.expected) for row in rows}
    return dict(sorted(shares.items(), key=lambda item: (-item[1].excess, item[0])))


def costs_of(connection: sa.Connection, window_ids: Collection[str]) -> list[Cost]:
    """What windows cost each service, the largest first; nothing of those that cost nothing."""
    names, shares = incident_names, incident_shares
    excess = sa.func.sum(_excess())
    query = (
        sa.select(names.c.name, shares.c.service, excess, sa.func.count())
        .join(shares, shares.c.incident_id == names.c.incident_id)
        .join(tables.incidents, tables.incidents.c.id == names.c.incident_id)
        .where(
            names.c.kind == "window",
            names.c.name.in_(window_ids),
            tables.incidents.c.cause == "control-plane",
        )
        .group_by(names.c.name, shares.c.service)
        .order_by(excess.desc(), shares.c.service)
    )
    return [Cost(*row) for row in connection.execute(query)]


def window_costs(connection: sa.Connection, service: str, *, limit: int) -> list[Cost]:
    """The windows that cost a service most, the dearest first."""
    names, shares = incident_names, incident_shares
    # Looked up incident by incident: a join makes SQLite begin with the windows of all services.
    window = (
        sa.select(names.c.name)
        .where(names.c.incident_id == shares.c.incident_id, names.c.kind == "window")
        .scalar_subquery()
    )
    each = (
        sa.select(window.label("window"), _excess().label("excess"))
        .join(tables.incidents, tables.incidents.c.id == shares.c.incident_id)
        .where(shares.c.service == service, tables.incidents.c.cause == "control-plane")
        .subquery()
    )
    excess = sa.func.sum(each.c.excess)
    query = (
        sa.select(each.c.window, sa.literal(service), excess, sa.func.count())
        .where(each.c.window.is_not(None))
        .group_by(each.c.window)
        .order_by(excess.desc(), each.c.window)
        .limit(limit)
    )
    return [Cost(*row) for row in connection.execute(query)]


def service_costs(
    connection: sa.Connection,
    *,
    services: Collection[str] | None = None,
    search: str | None = None,
    limit: int | None = None,
) -> list[ServiceCost]:
    """What services have suffered over all, those with live incidents first, then the worst."""
    incidents, shares = tables.incidents, incident_shares
    excess = sa.func.sum(_excess())
    live = sa.func.sum(sa.case((incidents.c.status != "resolved", 1), else_=0))
    # An expression keeps SQLite from walking the index on the name for the sake of the grouping,
    # which looks up every row by itself: 151 ms in place of 82 ms for 25,000 shares.
    name = shares.c.service.concat(sa.literal_column("''"))
    query = (
        sa.select(name, excess, sa.func.count(), live, sa.func.max(incidents.c.started_at))
        .join(incidents, incidents.c.id == shares.c.incident_id)
        .where(shares.c.service != "*")
        .group_by(name)
        .order_by(live.desc(), excess.desc(), name)
        .limit(limit)
    )
    if services is not None:
        query = query.where(shares.c.service.in_(services))
    if search:
        query = query.where(shares.c.service.contains(search, autoescape=True))
    return [ServiceCost(*row) for row in connection.execute(query)]


def _excess() -> sa.ColumnElement[float]:
    """Errors beyond expectation of one share."""
    more = incident_shares.c.errors - incident_shares.c.expected
    return sa.case((more > 0, more), else_=0.0)
