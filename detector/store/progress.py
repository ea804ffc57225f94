"""How far the writer of a store has come."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from detector.store import tables


def event_time(connection: sa.Connection) -> datetime | None:
    """Event time up to which everything is decided; None before the first step."""
    return connection.scalar(sa.select(tables.progress.c.time))
