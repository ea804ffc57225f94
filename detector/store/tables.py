"""The tables of the store. Changing one takes a new migration beside the change here."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table


class Instant(sa.types.TypeDecorator[datetime]):
    """A UTC time as text of fixed width: sorts by time, readable in any database shell."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        """To ``2026-03-01T12:00:00.000000Z``."""
        if value is None:
            return None
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        """Back to a datetime with its zone."""
        return None if value is None else datetime.fromisoformat(value)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def changed_step() -> Column[int]:
    """The step (`progress`) that wrote a row last, for those who follow what changes."""
    return Column("changed_step", sa.BigInteger, nullable=False, server_default="0", index=True)


incidents = Table(
    "incidents",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("revision", sa.Integer, nullable=False),  # 1, and one more with every change
    Column("status", sa.String, nullable=False),
    Column("cause", sa.String, nullable=False),
    Column("detected_at", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("document", sa.Text, nullable=False),  # detector.documents
    changed_step(),
    Index(None, "started_at"),
    Index(None, "detected_at", "id"),
    Index(None, "status"),
    Index(None, "id", "cause", "status", "started_at"),
)

windows = Table(
    "windows",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("kind", sa.String, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("document", sa.Text, nullable=False),  # detector.types.Window as JSON
    changed_step(),
    Index(None, "started_at", "id", "ended_at", "kind"),
)

states = Table(
    "states",
    metadata,
    Column("name", sa.String, primary_key=True),
    Column("body", sa.LargeBinary, nullable=False),
)

offsets = Table(
    "offsets",
    metadata,
    Column("topic", sa.String, primary_key=True),
    Column("partition", sa.Integer, primary_key=True),
    Column("next_offset", sa.BigInteger, nullable=False),
)

rejects = Table(
    "rejects",
    metadata,
    Column("reason", sa.String, primary_key=True),
    Column("count", sa.BigInteger, nullable=False),
)

progress = Table(
    "progress",
    metadata,
    Column("id", sa.Integer, primary_key=True),  # one row
    Column("steps", sa.BigInteger, nullable=False),
    Column("time", Instant),  # event time up to which everything is decided
    Column("first", Instant),  # event time at which judging began
)

lease = Table(
    "lease",
    metadata,
    Column("id", sa.Integer, primary_key=True),  # one row
    Column("owner", sa.String, nullable=False),
    Column("epoch", sa.BigInteger, nullable=False),
    Column("since", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
