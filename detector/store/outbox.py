"""Timelines, and what is to be told of incidents: written in the transaction of the incident.

A row of the outbox says that an incident, as of a revision, is worth telling, and carries all
that a message needs; the incident itself may be pruned before it is sent. Who was told what
stands in `detector.store.deliveries`: the worker knows no channels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.store import tables
from detector.store.tables import Instant, metadata
from detector.timeline import Entry, Notice

timeline = Table(
    "timeline",
    metadata,
    Column("incident_id", sa.String, primary_key=True),
    Column("number", sa.Integer, primary_key=True),  # from 1, within the incident
    Column("time", Instant, nullable=False),  # event time
    Column("kind", sa.String, nullable=False),
    Column("text", sa.Text, nullable=False),
    Column("status", sa.String, nullable=False),
    Column("severity", sa.String, nullable=False),
    Column("cause", sa.String, nullable=False),
    Column("confidence", sa.Float, nullable=False),
    Column("errors", sa.Float, nullable=False),
    Column("excess", sa.Float, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=True),
    Column("incident_id", sa.String, nullable=False),
    Column("incident_revision", sa.Integer, nullable=False),
    Column("kind", sa.String, nullable=False),
    Column("status", sa.String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("notice", sa.Text, nullable=False),  # detector.timeline.Notice as JSON
    Index(None, "incident_id"),
)


def put_entries(connection: sa.Connection, entries: Iterable[Entry]) -> None:
    """Write timeline entries; those of a step done again after a crash replace their likes."""
    first: dict[str, int] = {}
    rows = []
    for entry in entries:
        first.setdefault(entry.incident_id, entry.number)
        rows.append(msgspec.structs.asdict(entry))
    for incident_id, number in first.items():
        connection.execute(
            sa.delete(timeline).where(
                timeline.c.incident_id == incident_id, timeline.c.number >= number
            )
        )
    if rows:
        connection.execute(sa.insert(timeline), rows)


def put_notices(connection: sa.Connection, notices: Sequence[Notice], now: datetime) -> None:
    """Put notices into the outbox, behind the write of their incidents in this transaction."""
    table = tables.incidents
    for notice in notices:
        revision = connection.scalar(
            sa.select(table.c.revision).where(table.c.id == notice.document.id)
        )
        connection.execute(
            sa.insert(outbox).values(
                incident_id=notice.document.id,
                incident_revision=revision,
                kind=notice.kind,
                status=notice.document.status,
                created_at=now,
                notice=msgspec.json.encode(notice).decode(),
            )
        )


def told_of(connection: sa.Connection, incidents: Collection[str]) -> set[str]:
    """Those of these incidents that a notice was ever written of."""
    query = sa.select(outbox.c.incident_id).where(outbox.c.incident_id.in_(incidents))
    return set(connection.scalars(query.distinct()))


def entries_of(connection: sa.Connection, incident_id: str) -> list[Entry]:
    """The timeline of an incident, the oldest entry first."""
    query = (
        sa.select(timeline).where(timeline.c.incident_id == incident_id).order_by(timeline.c.number)
    )
    return [Entry(**row) for row in connection.execute(query).mappings()]
