"""What changed in a store since somebody last looked: the worker's steps and people's changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from detector import documents
from detector.conditions import Condition
from detector.store import tables
from detector.store.audit import AuditEntry, audit, entry_of
from detector.store.conditions import condition_of, conditions
from detector.store.incident_index import Told
from detector.types import Window


class Position(NamedTuple):
    """How much of a store's changes somebody has seen."""

    step: int  # of the worker
    entry: int  # of the audit log


@dataclass(frozen=True, slots=True)
class News:
    """What is otherwise than it was at a position, as it is now; each kind oldest first."""

    incidents: Sequence[Told] = ()
    windows: Sequence[Window] = ()
    conditions: Sequence[Condition] = ()
    changes: Sequence[AuditEntry] = ()

    @property
    def most(self) -> int:
        """How many there are of the kind of which there are most."""
        return max(map(len, (self.incidents, self.windows, self.conditions, self.changes)))


def position(connection: sa.Connection) -> Position:
    """Where a store's changes end now."""
    step = connection.scalar(sa.select(tables.progress.c.steps))
    entry = connection.scalar(sa.select(sa.func.max(audit.c.id)))
    return Position(step or 0, entry or 0)


def news(connection: sa.Connection, since: Position, limit: int) -> News:
    """What changed behind a position; at the most ``limit`` of each kind."""

    def changed(table: sa.Table) -> sa.CursorResult[Any]:
        step = table.c.changed_step
        query = sa.select(table).where(step > since.step).order_by(step, table.c.id).limit(limit)
        return connection.execute(query)

    entries = sa.select(audit).where(audit.c.id > since.entry).order_by(audit.c.id).limit(limit)
    return News(
        [Told(documents.decode(row.document), row.revision) for row in changed(tables.incidents)],
        [msgspec.json.decode(row.document, type=Window) for row in changed(tables.windows)],
        [condition_of(row) for row in changed(conditions)],
        [entry_of(row) for row in connection.execute(entries).mappings()],
    )
