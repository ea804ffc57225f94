"""How far the writer of a store has come, and what it knows."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from detector.store import tables


def event_time(connection: sa.Connection) -> datetime | None:
    """Event time up to which everything is decided; None before the first step."""
    return connection.scalar(sa.select(tables.progress.c.time))


def state(connection: sa.Connection, name: str) -> bytes | None:
    """A part of the worker's state, by its name in `detector.worker.Worker.snapshot`."""
    table = tables.states
    return connection.scalar(sa.select(table.c.body).where(table.c.name == name))
