"""The health of the input, as a table: one row a thing that is, or was last, wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.conditions import Condition
from detector.store.rows import put
from detector.store.tables import Instant, changed_step, metadata

conditions = Table(
    "conditions",
    metadata,
    Column("id", sa.String, primary_key=True),  # kind:subject
    Column("kind", sa.String, nullable=False),
    Column("subject", sa.String, nullable=False),
    Column("since", Instant, nullable=False),  # of the latest time it was on
    Column("seen", Instant, nullable=False),
    Column("until", Instant),  # null while it is on
    Column("text", sa.Text, nullable=False),
    Column("advice", sa.Text, nullable=False),
    changed_step(),
    Index(None, "until"),
)


def put_conditions(connection: sa.Connection, changed: Iterable[Condition], step: int) -> None:
    """Write conditions that changed; one that is on again takes the row of the last time."""
    put(
        connection,
        conditions,
        (
            {
                "id": one.id,
                "kind": one.kind,
                "subject": one.subject,
                "since": one.since,
                "seen": one.seen,
                "until": one.until,
                "text": one.text,
                "advice": one.advice,
                "changed_step": step,
            }
            for one in changed
        ),
    )


def read_conditions(connection: sa.Connection, *, since: datetime | None = None) -> list[Condition]:
    """What is on, the newest first; with ``since`` also what was over after it."""
    table = conditions
    wanted: sa.ColumnElement[bool] = table.c.until.is_(None)
    if since is not None:
        wanted = sa.or_(wanted, table.c.until >= since)
    query = sa.select(table).where(wanted).order_by(table.c.since.desc(), table.c.id)
    return [condition_of(row) for row in connection.execute(query)]


def condition_of(row: sa.Row[Any]) -> Condition:
    """The condition that a row of the table tells."""
    return Condition(
        kind=row.kind,
        subject=row.subject,
        since=row.since,
        seen=row.seen,
        until=row.until,
        text=row.text,
        advice=row.advice,
    )
