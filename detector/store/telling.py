"""What becomes of a message: under way, arrived, not taken. Each in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from detector.store.deliveries import Row, channels, deliveries, messages
from detector.store.outbox import outbox


def begin(
    connection: sa.Connection,
    channel: str,
    key: str,
    *,
    storm: bool,
    attempt: str,
    rows: Iterable[Row],
    now: datetime,
) -> None:
    """Note that a message is about to be sent, and whom it tells of."""
    mine = _is(channel, key)
    values = {"attempt": attempt, "attempted_at": now}
    if connection.execute(sa.update(messages).where(mine).values(**values)).rowcount == 0:
        blank = dict.fromkeys(
            ("ref", "place", "told_status", "told_severity", "thread", "picture"), ""
        )
        connection.execute(
            sa.insert(messages).values(
                channel=channel, key=key, storm=storm, renewed=False, **blank, **values
            )
        )
    joining = [row.incident_id for row in rows if row.message != key]
    _move(connection, channel, joining, key)


def arrived(
    connection: sa.Connection,
    channel: str,
    key: str,
    *,
    rows: Collection[Row],
    now: datetime,
    changes: Mapping[str, object],
) -> None:
    """Note that a message was taken.

    Args:
        connection: of the transaction.
        channel: where.
        key: the message.
        rows: what it told.
        now: when.
        changes: columns of the message that change.
    """
    first = {"begun_at": sa.func.coalesce(messages.c.begun_at, sa.literal(now, _INSTANT))}
    values = {"attempt": "", "attempted_at": None, **first, **changes}
    connection.execute(sa.update(messages).where(_is(channel, key)).values(**values))
    told(connection, channel, rows, now)


def told(connection: sa.Connection, channel: str, rows: Collection[Row], now: datetime) -> None:
    """Note that there is no more to tell of these revisions; a newer one stays pending."""
    if not rows:
        return
    table = deliveries
    query = (
        sa.update(table)
        .where(
            table.c.channel == channel,
            table.c.incident_id == sa.bindparam("of_incident"),
            table.c.revision == sa.bindparam("of_revision"),
        )
        .values(told_revision=table.c.revision, told_at=now, since=None)
    )
    connection.execute(
        query, [{"of_incident": row.incident_id, "of_revision": row.revision} for row in rows]
    )


def returned(connection: sa.Connection, channel: str, key: str) -> None:
    """Note that a message was not taken: what it would have told for the first time is free again.

    So what opened first is told first, also where the next message is another one.
    """
    mine, table = _is(channel, key), deliveries
    connection.execute(sa.update(messages).where(mine).values(attempt="", attempted_at=None))
    connection.execute(sa.delete(messages).where(mine, messages.c.begun_at.is_(None)))
    untold = (table.c.channel == channel, table.c.message == key, table.c.told_revision == 0)
    connection.execute(sa.update(table).where(*untold).values(message=""))


def gone(connection: sa.Connection, channel: str, key: str) -> None:
    """Note that a message is no longer there: it is to be sent anew, once."""
    values = {"ref": "", "thread": "", "attempt": "", "attempted_at": None, "renewed": True}
    connection.execute(sa.update(messages).where(_is(channel, key)).values(**values))


def pause(connection: sa.Connection, channel: str, until: datetime | None) -> None:
    """Send nothing to a channel before ``until``."""
    mine = channels.c.name == channel
    connection.execute(sa.update(channels).where(mine).values(retry_at=until))


def stop(connection: sa.Connection, channel: str, problem: str, now: datetime) -> None:
    """Note why nothing is sent to a channel; an empty problem ends that."""
    values = {"problem": problem, "problem_since": now if problem else None}
    connection.execute(sa.update(channels).where(channels.c.name == channel).values(**values))


def prune(connection: sa.Connection, names: Collection[str], before: datetime) -> int:
    """Forget what was told before a time, and what no channel needs of the outbox any more.

    Args:
        connection: of the transaction.
        names: the channels of the settings.
        before: the time.

    Returns:
        How many rows went.
    """
    old = sa.and_(deliveries.c.since.is_(None), deliveries.c.told_at < before)
    rows = connection.execute(
        sa.delete(deliveries).where(old, deliveries.c.status == "resolved")
    ).rowcount
    told_of = sa.select(deliveries.c.message).where(deliveries.c.channel == messages.c.channel)
    rows += connection.execute(
        sa.delete(messages).where(
            messages.c.begun_at < before, messages.c.key.not_in(told_of.scalar_subquery())
        )
    ).rowcount
    seen = sa.select(sa.func.min(channels.c.seen_id)).where(channels.c.name.in_(names))
    rows += connection.execute(
        sa.delete(outbox).where(outbox.c.created_at < before, outbox.c.id <= seen.scalar_subquery())
    ).rowcount
    return rows


_INSTANT = messages.c.begun_at.type


def _move(connection: sa.Connection, channel: str, ids: Collection[str], key: str) -> None:
    if not ids:
        return
    query = (
        sa.update(deliveries)
        .where(deliveries.c.channel == channel, deliveries.c.incident_id == sa.bindparam("one"))
        .values(message=key)
    )
    connection.execute(query, [{"one": one} for one in ids])


def _is(channel: str, key: str) -> sa.ColumnElement[bool]:
    return sa.and_(messages.c.channel == channel, messages.c.key == key)
