"""Takes the outbox into a channel's deliveries: one row an incident, the latest state wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from detector.store.deliveries import channels, deliveries
from detector.store.outbox import outbox
from detector.timeline import Notice

Wanted = Callable[[Notice], bool]
_decode = msgspec.json.Decoder(Notice).decode


def fold(connection: sa.Connection, channel: str, wanted: Wanted, limit: int = 500) -> int:
    """Take up to ``limit`` rows of the outbox into the channel's deliveries.

    A channel that is new to the store begins with the incidents that still go on.

    Returns:
        How many rows of the outbox were taken.
    """
    seen = connection.scalar(sa.select(channels.c.seen_id).where(channels.c.name == channel))
    query = sa.select(outbox).order_by(outbox.c.id)
    if seen is None:
        head = connection.scalar(sa.select(sa.func.max(outbox.c.id))) or 0
        latest = sa.select(sa.func.max(outbox.c.id)).group_by(outbox.c.incident_id)
        query = query.where(outbox.c.id.in_(latest), outbox.c.status != "resolved")
        connection.execute(sa.insert(channels).values(name=channel, seen_id=head, problem=""))
    else:
        query = query.where(outbox.c.id > seen).limit(limit)
    rows = connection.execute(query).all()
    for row in rows:
        _fold_one(connection, channel, row, wanted)
    if rows and seen is not None:
        mine = channels.c.name == channel
        connection.execute(sa.update(channels).where(mine).values(seen_id=rows[-1].id))
    return len(rows)


def behind(connection: sa.Connection, channel: str) -> bool:
    """Whether the outbox has rows that the channel has not seen, or the channel is new."""
    seen = connection.scalar(sa.select(channels.c.seen_id).where(channels.c.name == channel))
    if seen is None:
        return True
    return connection.scalar(sa.select(sa.exists().where(outbox.c.id > seen))) is True


def gist(notice: Notice) -> str:
    """What of an incident makes a reader act otherwise, as one text."""
    incident = notice.document
    window, fault = incident.attribution.window, incident.signature
    parts = (
        incident.attribution.cause,
        window.id if window else "",
        fault.id if fault else "",
        incident.severity,
        "over" if incident.status == "resolved" else "",
    )
    return "/".join(parts)


def _fold_one(connection: sa.Connection, channel: str, row: sa.Row[Any], wanted: Wanted) -> None:
    notice = _decode(row.notice)
    mine = sa.and_(deliveries.c.channel == channel, deliveries.c.incident_id == row.incident_id)
    known = connection.execute(sa.select(deliveries).where(mine)).one_or_none()
    is_told = known is not None and (known.told_revision or known.message)
    if not is_told and not wanted(notice):
        connection.execute(sa.delete(deliveries).where(mine))
        return
    values = {
        "outbox_id": row.id,
        "revision": row.incident_revision,
        "status": row.status,
        "severity": notice.document.severity,
        "gist": gist(notice),
        "notice": row.notice,
        "since": known.since if known is not None and known.since else row.created_at,
    }
    if known is None:
        values |= {"channel": channel, "incident_id": row.incident_id}
        connection.execute(sa.insert(deliveries).values(**values, told_revision=0, message=""))
    else:
        connection.execute(sa.update(deliveries).where(mine).values(**values))
