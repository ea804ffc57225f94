"""Reconciliation windows as the worker published them, page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from detector.store import tables
from detector.types import Window


class WindowPlace(NamedTuple):
    """Where a window stands in the order of lists."""

    started_at: datetime
    id: str


def find_windows(
    connection: sa.Connection,
    *,
    kinds: Sequence[str] = (),
    open_now: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: WindowPlace | None = None,
    limit: int | None = None,
) -> list[Window]:
    """Windows, the one that started last first.

    Args:
        connection: to the store.
        kinds: one of these.
        open_now: only those that go on, or do not.
        since: only those that had not ended by then.
        until: only those that started before.
        after: only those behind this place.
        limit: at the most so many.
    """
    table = tables.windows
    query = sa.select(table.c.document).order_by(table.c.started_at.desc(), table.c.id.desc())
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    if open_now is not None:
        query = query.where(table.c.ended_at.is_(None) == sa.literal(open_now))
    if since is not None:
        query = query.where(sa.or_(table.c.ended_at.is_(None), table.c.ended_at >= since))
    if until is not None:
        query = query.where(table.c.started_at < until)
    if after is not None:
        query = query.where(
            sa.or_(
                table.c.started_at < after.started_at,
                sa.and_(table.c.started_at == after.started_at, table.c.id < after.id),
            )
        )
    texts = connection.scalars(query.limit(limit))
    return [msgspec.json.decode(text, type=Window) for text in texts]


def windows_by_id(connection: sa.Connection, ids: Collection[str]) -> dict[str, Window]:
    """Those of these windows that there are."""
    table = tables.windows
    texts = connection.scalars(sa.select(table.c.document).where(table.c.id.in_(ids)))
    found = [msgspec.json.decode(text, type=Window) for text in texts]
    return {one.id: one for one in found}


def one_window(connection: sa.Connection, window_id: str) -> Window | None:
    """One window; None if unknown."""
    table = tables.windows
    text = connection.scalar(sa.select(table.c.document).where(table.c.id == window_id))
    return None if text is None else msgspec.json.decode(text, type=Window)
