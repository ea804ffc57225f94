"""Statements that write one row each, in SQL that every supported database understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from detector import documents
from detector.store import tables
from detector.types import Incident, Window

_ROW = 1  # id of the only row of a one-row table


def put(connection: sa.Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``rows``, replacing those with the same primary key."""
    for row in rows:
        if not _update(connection, table, row):
            connection.execute(sa.insert(table).values(row))


def put_incidents(
    connection: sa.Connection, incidents: Sequence[Incident], step: int
) -> list[Incident]:
    """Write the incidents that have changed; each change raises a revision by one, from 1.

    Returns:
        Those that were written.
    """
    table = tables.incidents
    query = sa.select(table.c.id, table.c.document).where(table.c.id.in_([i.id for i in incidents]))
    stored = {row.id: row.document for row in connection.execute(query)}
    written = []
    for incident in incidents:
        document = documents.encode(incident)
        before = stored.get(incident.id)
        if document == before:
            continue
        written.append(incident)
        row = {
            "id": incident.id,
            "status": incident.status,
            "cause": incident.attribution.cause,
            "detected_at": incident.detected_at,
            "started_at": incident.started_at,
            "ended_at": incident.ended_at,
            "document": document,
            "changed_step": step,
        }
        if before is None:
            connection.execute(sa.insert(table).values({**row, "revision": 1}))
        else:
            _update(connection, table, {**row, "revision": table.c.revision + 1})
    return written


def put_windows(connection: sa.Connection, windows: Sequence[Window], step: int) -> None:
    """Write the windows that have changed."""
    table = tables.windows
    query = sa.select(table.c.id, table.c.document).where(table.c.id.in_([w.id for w in windows]))
    stored = {row.id: row.document for row in connection.execute(query)}
    rows = map(_window_row, windows)
    changed = (row for row in rows if row["document"] != stored.get(row["id"]))
    put(connection, table, ({**row, "changed_step": step} for row in changed))


def _window_row(window: Window) -> dict[str, Any]:
    return {
        "id": window.id,
        "kind": window.kind,
        "started_at": window.started_at,
        "ended_at": window.ended_at,
        "document": msgspec.json.encode(window).decode(),
    }


def add_rejects(connection: sa.Connection, counts: Mapping[str, int]) -> None:
    """Add to the totals by reason."""
    table = tables.rejects
    for reason, count in counts.items():
        if not _update(connection, table, {"reason": reason, "count": table.c["count"] + count}):
            connection.execute(sa.insert(table).values(reason=reason, count=count))


def next_step(connection: sa.Connection) -> int:
    """The number of the step under way, from 1."""
    return (connection.scalar(sa.select(tables.progress.c.steps)) or 0) + 1


def count_step(
    connection: sa.Connection, time: datetime | None, first: datetime | None = None
) -> None:
    """One step more; times stay as they are when the step decided nothing new."""
    table = tables.progress
    known = {name: at for name, at in (("time", time), ("first", first)) if at is not None}
    if not _update(connection, table, {"id": _ROW, "steps": table.c.steps + 1, **known}):
        connection.execute(sa.insert(table).values(id=_ROW, steps=1, **known))


def _update(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Update the row with the primary key of ``row``; False when there is none."""
    keys = [column.name for column in table.primary_key]
    values = {name: value for name, value in row.items() if name not in keys}
    statement = sa.update(table).where(*(table.c[key] == row[key] for key in keys))
    return connection.execute(statement.values(values)).rowcount > 0
