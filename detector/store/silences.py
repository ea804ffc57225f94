"""Silences in the store: written by people, read by the worker when it decides what to tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.silencing import Matcher, Silence
from detector.store.tables import Instant, metadata

silences = Table(
    "silences",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("matcher", sa.Text, nullable=False),  # detector.silencing.Matcher as JSON
    Column("reason", sa.Text, nullable=False),
    Column("owner", sa.String, nullable=False),
    Column("created_by", sa.String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Index(None, "ends_at"),
)


class SilencePlace(NamedTuple):
    """Where a silence stands in the order of lists."""

    created_at: datetime
    id: str


def put_silence(connection: sa.Connection, silence: Silence) -> None:
    """Write a new silence."""
    row = msgspec.structs.asdict(silence)
    row["matcher"] = msgspec.json.encode(silence.matcher).decode()
    connection.execute(sa.insert(silences).values(row))


def end_silence(connection: sa.Connection, silence_id: str, at: datetime) -> None:
    """Let a silence end at ``at``; one that has not begun never begins."""
    statement = sa.update(silences).where(silences.c.id == silence_id)
    begins = sa.case((silences.c.starts_at > at, at), else_=silences.c.starts_at)
    connection.execute(statement.values(ends_at=at, starts_at=begins))


def one_silence(connection: sa.Connection, silence_id: str) -> Silence | None:
    """One silence; None if unknown."""
    row = connection.execute(sa.select(silences).where(silences.c.id == silence_id)).one_or_none()
    return None if row is None else _silence(row)


def standing_silences(connection: sa.Connection, now: datetime) -> list[Silence]:
    """Those that hold now or will, by their end."""
    query = sa.select(silences).where(silences.c.ends_at > now)
    ordered = query.order_by(silences.c.ends_at, silences.c.id)
    return [_silence(row) for row in connection.execute(ordered)]


def find_silences(
    connection: sa.Connection,
    *,
    state: str | None = None,
    now: datetime,
    after: SilencePlace | None = None,
    limit: int | None = None,
) -> list[Silence]:
    """Silences, the one made last first.

    Args:
        connection: to the store.
        state: only those that are ``pending``, ``active`` or ``ended`` now.
        now: of the clock.
        after: only those behind this place.
        limit: at the most so many.
    """
    table = silences.c
    query = sa.select(silences).order_by(table.created_at.desc(), table.id.desc())
    if state == "ended":
        query = query.where(table.ends_at <= now)
    elif state == "pending":
        query = query.where(table.ends_at > now, table.starts_at > now)
    elif state == "active":
        query = query.where(table.ends_at > now, table.starts_at <= now)
    if after is not None:
        behind = sa.and_(table.created_at == after.created_at, table.id < after.id)
        query = query.where(sa.or_(table.created_at < after.created_at, behind))
    return [_silence(row) for row in connection.execute(query.limit(limit))]


def _silence(row: sa.Row[Any]) -> Silence:
    values = dict(row._mapping)
    values["matcher"] = msgspec.json.decode(row.matcher, type=Matcher)
    return Silence(**values)
