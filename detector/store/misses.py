"""Faults that people say were missed: written by them, made incidents of by the worker."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Table

from detector.missed import Miss
from detector.store import tables
from detector.store.tables import Instant, metadata

misses = Table(
    "misses",
    metadata,
    Column("id", sa.String, primary_key=True),  # of the incident
    Column("service", sa.String, nullable=False),
    Column("signal", sa.String, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("failed", sa.BigInteger, nullable=False),
    Column("requests", sa.BigInteger, nullable=False),
    Column("cause", sa.String, nullable=False),
    Column("note", sa.Text),
    Column("by", sa.String, nullable=False),
    Column("reported_at", Instant, nullable=False),
)


def put_miss(connection: sa.Connection, miss: Miss) -> Miss:
    """Write what somebody says was missed.

    Returns:
        What is written of this fault now: of the same one told twice, what was said first.
    """
    known = connection.execute(sa.select(misses).where(misses.c.id == miss.id)).one_or_none()
    if known is not None:
        return Miss(**known._mapping)
    connection.execute(sa.insert(misses).values(msgspec.structs.asdict(miss)))
    return miss


def untold_misses(connection: sa.Connection) -> list[Miss]:
    """Those without an incident yet, the first reported first."""
    told = sa.exists().where(tables.incidents.c.id == misses.c.id)
    query = sa.select(misses).where(~told).order_by(misses.c.reported_at, misses.c.id)
    return [Miss(**row) for row in connection.execute(query).mappings()]
