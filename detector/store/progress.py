"""How far the writer of a store has come, what it knows, and whether there is one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from detector.store import tables


class Progress(NamedTuple):
    """What a store tells of its writer."""

    time: datetime | None  # event time up to which everything is decided
    first: datetime | None  # event time at which judging began
    lease_until: datetime | None  # until then its writer is held to be alive
    rejects: int  # records that were not understood


def event_time(connection: sa.Connection) -> datetime | None:
    """Event time up to which everything is decided; None before the first step."""
    return connection.scalar(sa.select(tables.progress.c.time))


def state(connection: sa.Connection, name: str) -> bytes | None:
    """A part of the worker's state, by its name in `detector.worker.Worker.snapshot`."""
    table = tables.states
    return connection.scalar(sa.select(table.c.body).where(table.c.name == name))


def read_progress(connection: sa.Connection) -> Progress:
    """All of it, as of now."""
    row = connection.execute(
        sa.select(tables.progress.c.time, tables.progress.c.first)
    ).one_or_none()
    return Progress(
        time=row.time if row else None,
        first=row.first if row else None,
        lease_until=connection.scalar(sa.select(tables.lease.c.expires_at)),
        rejects=connection.scalar(sa.select(sa.func.sum(tables.rejects.c["count"]))) or 0,
    )


def reject_counts(connection: sa.Connection) -> dict[str, int]:
    """Records that were not understood, by reason, the most frequent first."""
    count = tables.rejects.c["count"]
    query = sa.select(tables.rejects.c.reason, count).order_by(count.desc())
    return {row.reason: row[1] for row in connection.execute(query)}
