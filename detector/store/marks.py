"""Marks in the store: written by anyone who announces a change, read by the worker.

A mark takes no lease: it is a row of its own, and the worker decides what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.reconciliation import Mark
from detector.settings import StoreSettings
from detector.store.database import connect, our_errors
from detector.store.reading import reading
from detector.store.tables import Instant, metadata

marks = Table(
    "marks",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("kind", sa.String, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("from_version", sa.String),
    Column("to_version", sa.String),
    Column("revision", sa.String),
    Column("note", sa.Text),
    Column("author", sa.String),
    Index(None, "started_at"),
)


@contextmanager
def marking(settings: StoreSettings) -> Iterator[sa.Connection]:
    """A transaction that writes marks beside the worker.

    Raises:
        StoreUrlError: there is no store at the address.
        StoreVersionError: its tables are of another version.
        StoreError: it cannot be written; the class and the message say why.
    """
    with reading(settings):  # there is a store, and it is of this version
        engine = connect(settings.url, busy_timeout_s=settings.busy_timeout_s)
    try:
        with our_errors(engine), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def open_mark(connection: sa.Connection, mark: Mark) -> None:
    """Write a new mark; one with an id that is there already stays as it is."""
    known = connection.scalar(sa.select(marks.c.id).where(marks.c.id == mark.id))
    if known is None:
        connection.execute(sa.insert(marks).values(msgspec.structs.asdict(mark)))


def close_mark(
    connection: sa.Connection, mark_id: str, at: datetime, note: str | None = None
) -> bool:
    """End a mark that goes on, with another note if one is given; False if there is none such."""
    values: dict[str, object] = {"ended_at": at} | ({"note": note} if note is not None else {})
    statement = sa.update(marks).where(marks.c.id == mark_id, marks.c.ended_at.is_(None))
    return connection.execute(statement.values(values)).rowcount > 0


def read_marks(connection: sa.Connection, since: datetime | None = None) -> list[Mark]:
    """Marks by their start; with ``since``, those that had not ended by then."""
    query = sa.select(marks).order_by(marks.c.started_at, marks.c.id)
    if since is not None:
        query = query.where(sa.or_(marks.c.ended_at.is_(None), marks.c.ended_at >= since))
    return [_mark(row) for row in connection.execute(query)]


def one_mark(connection: sa.Connection, mark_id: str) -> Mark | None:
    """One mark; None if unknown."""
    row = connection.execute(sa.select(marks).where(marks.c.id == mark_id)).one_or_none()
    return None if row is None else _mark(row)


def _mark(row: sa.Row[Any]) -> Mark:
    return Mark(
        id=row.id,
        kind=row.kind,
        started_at=row.started_at,
        ended_at=row.ended_at,
        from_version=row.from_version,
        to_version=row.to_version,
        revision=row.revision,
        note=row.note,
        author=row.author,
    )
