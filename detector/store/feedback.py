"""What people say of single incidents: acknowledged by whom, and whether it was one at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.incidents.expectations import Expectation
from detector.store import tables
from detector.store.tables import Instant, metadata

Verdict = Literal["true", "false", "expected"]

acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("incident_id", sa.String, primary_key=True),
    Column("by", sa.String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("note", sa.Text),
)

feedback = Table(
    "feedback",
    metadata,
    Column("incident_id", sa.String, primary_key=True),
    Column("verdict", sa.String, nullable=False),
    Column("by", sa.String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("note", sa.Text),
    Column("expectation", sa.Text),  # of detector.incidents.Expectation, when it was expected
    Column("held_back", sa.BigInteger, nullable=False),  # alarms that opened nothing because of it
    Index(None, "verdict"),
)


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looks after an incident."""

    incident_id: str
    by: str
    at: datetime
    note: str | None = None


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says that an incident was.

    ``held_back`` counts the alarms that opened no incident because this one was expected.
    """

    incident_id: str
    verdict: Verdict
    by: str
    at: datetime
    note: str | None = None
    held_back: int = 0


class Judged(NamedTuple):
    """How many incidents there were, how many of them people judged, and how many were false."""

    incidents: int
    judged: int
    false: int


def put_acknowledgement(connection: sa.Connection, told: Acknowledgement) -> None:
    """Write it, in place of an earlier one."""
    drop_acknowledgement(connection, told.incident_id)
    connection.execute(sa.insert(acknowledgements).values(msgspec.structs.asdict(told)))


def drop_acknowledgement(connection: sa.Connection, incident_id: str) -> None:
    """Nobody looks after the incident any more."""
    table = acknowledgements
    connection.execute(sa.delete(table).where(table.c.incident_id == incident_id))


def acknowledgements_of(
    connection: sa.Connection, incidents: Collection[str]
) -> dict[str, Acknowledgement]:
    """Who looks after which of these incidents."""
    table = acknowledgements
    query = sa.select(table).where(table.c.incident_id.in_(incidents))
    return {
        row["incident_id"]: Acknowledgement(**row) for row in connection.execute(query).mappings()
    }


def put_feedback(
    connection: sa.Connection, told: Feedback, expectation: Expectation | None
) -> None:
    """Write it, in place of an earlier one; ``expectation`` when the verdict is *expected*."""
    drop_feedback(connection, told.incident_id)
    packed = None if expectation is None else msgspec.json.encode(expectation).decode()
    values = msgspec.structs.asdict(told) | {"expectation": packed}
    connection.execute(sa.insert(feedback).values(values))


def drop_feedback(connection: sa.Connection, incident_id: str) -> None:
    """As if nobody had said anything."""
    connection.execute(sa.delete(feedback).where(feedback.c.incident_id == incident_id))


def feedback_of(connection: sa.Connection, incidents: Collection[str]) -> dict[str, Feedback]:
    """What was said of which of these incidents."""
    query = sa.select(feedback).where(feedback.c.incident_id.in_(incidents))
    return {row.incident_id: _feedback(row) for row in connection.execute(query)}


def judged_since(connection: sa.Connection, since: datetime) -> Judged:
    """What people say of the incidents that were detected since a time."""
    incidents = tables.incidents
    told = sa.func.count(feedback.c.verdict)
    false = sa.func.count(sa.case((feedback.c.verdict == "false", 1)))
    query = (
        sa.select(sa.func.count(), told, false)
        .select_from(incidents.outerjoin(feedback, feedback.c.incident_id == incidents.c.id))
        .where(incidents.c.detected_at >= since)
    )
    return Judged(*connection.execute(query).one())


def expectations(connection: sa.Connection) -> list[Expectation]:
    """What people called expected, by incident."""
    query = sa.select(feedback.c.expectation).where(feedback.c.expectation.is_not(None))
    texts = connection.scalars(query.order_by(feedback.c.incident_id))
    return [msgspec.json.decode(text, type=Expectation) for text in texts]


def count_held_back(connection: sa.Connection, alarms: Mapping[str, int]) -> None:
    """Add alarms that opened nothing, by the incident that was called expected."""
    for incident_id, count in alarms.items():
        statement = sa.update(feedback).where(feedback.c.incident_id == incident_id)
        connection.execute(statement.values(held_back=feedback.c.held_back + count))


def _feedback(row: sa.Row[Any]) -> Feedback:
    names = Feedback.__struct_fields__
    return Feedback(**{name: value for name, value in row._mapping.items() if name in names})
