"""Which channel was told what, in which message.

A channel folds the outbox into one row an incident, where the latest state wins. A row with
``since`` set has something to tell. A message that is about to be sent is noted as an attempt in
a transaction of its own before, so that a process that comes back knows what may have arrived.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.store.tables import Instant, metadata
from detector.timeline import Notice
from detector.types import Severity, Status

channels = Table(
    "channels",
    metadata,
    Column("name", sa.String, primary_key=True),
    Column("seen_id", sa.Integer, nullable=False),  # of the outbox: all up to it is folded
    Column("retry_at", Instant),  # nothing is sent before
    Column("problem", sa.Text, nullable=False),  # why nothing is sent, until somebody acts
    Column("problem_since", Instant),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("channel", sa.String, primary_key=True),
    Column("incident_id", sa.String, primary_key=True),
    Column("outbox_id", sa.Integer, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    Column("status", sa.String, nullable=False),
    Column("severity", sa.String, nullable=False),
    Column("gist", sa.String, nullable=False),  # changes when a reader would act otherwise
    Column("notice", sa.Text, nullable=False),  # detector.timeline.Notice as JSON
    Column("since", Instant),  # since when there is something to tell; NULL when there is not
    Column("told_revision", sa.Integer, nullable=False),
    Column("told_at", Instant),
    Column("message", sa.String, nullable=False),  # its key; empty before there is one
    Index(None, "channel", "since"),
)

messages = Table(
    "messages",
    metadata,
    Column("channel", sa.String, primary_key=True),
    Column("key", sa.String, primary_key=True),
    Column("storm", sa.Boolean, nullable=False),
    Column("ref", sa.String, nullable=False),  # its name at the receiver
    Column("place", sa.String, nullable=False),
    Column("begun_at", Instant),  # when it arrived
    Column("told_status", sa.String, nullable=False),
    Column("told_severity", sa.String, nullable=False),
    Column("thread", sa.String, nullable=False),  # the gist that its thread told last
    Column("picture", sa.String, nullable=False),
    Column("attempt", sa.String, nullable=False),  # what is being sent, or may have been
    Column("attempted_at", Instant),
    Column("renewed", sa.Boolean, nullable=False),  # it was gone once and sent anew
)


@dataclass(frozen=True, slots=True)
class Row:
    """What a channel knows of an incident."""

    incident_id: str
    outbox_id: int
    revision: int
    status: Status
    severity: Severity
    gist: str
    since: datetime | None
    told_revision: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message of a channel."""

    key: str
    storm: bool = False
    ref: str = ""
    place: str = ""
    begun_at: datetime | None = None
    told_status: str = ""
    told_severity: str = ""
    thread: str = ""
    picture: str = ""
    attempt: str = ""
    attempted_at: datetime | None = None
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a channel stands."""

    retry_at: datetime | None
    problem: str
    problem_since: datetime | None


_ROW = [deliveries.c[name] for name in Row.__dataclass_fields__]
_NAMES = list(Sent.__dataclass_fields__)
_SENT = [messages.c[name] for name in _NAMES]
_decode = msgspec.json.Decoder(Notice).decode


def standing(connection: sa.Connection, channel: str) -> Channel:
    """Where the channel stands."""
    query = sa.select(channels).where(channels.c.name == channel)
    row = connection.execute(query).one_or_none()
    return Channel(row.retry_at, row.problem, row.problem_since) if row else Channel(None, "", None)


def pending(connection: sa.Connection, channel: str) -> list[Row]:
    """All that a channel has to tell, in the order in which it happened."""
    query = (
        sa.select(*_ROW)
        .where(deliveries.c.channel == channel, deliveries.c.since.is_not(None))
        .order_by(deliveries.c.outbox_id)
    )
    return [Row(*row) for row in connection.execute(query)]


def live(connection: sa.Connection, channel: str) -> list[Row]:
    """All that a channel was told of and that is not over."""
    query = sa.select(*_ROW).where(
        deliveries.c.channel == channel,
        deliveries.c.told_revision > 0,
        deliveries.c.status != "resolved",
    )
    return [Row(*row) for row in connection.execute(query.order_by(deliveries.c.outbox_id))]


def sent(connection: sa.Connection, channel: str, keys: Collection[str]) -> dict[str, Sent]:
    """The messages with these keys, and those under way."""
    query = sa.select(*_SENT).where(
        messages.c.channel == channel,
        sa.or_(messages.c.key.in_(keys), messages.c.attempt != ""),
    )
    found = [Sent(**row) for row in connection.execute(query).mappings()]
    return {one.key: one for one in found}


def begun_since(connection: sa.Connection, channel: str, time: datetime) -> list[Sent]:
    """The messages that arrived first after ``time``, the oldest first."""
    query = (
        sa.select(*_SENT)
        .where(messages.c.channel == channel, messages.c.begun_at > time)
        .order_by(messages.c.begun_at)
    )
    return [Sent(**row) for row in connection.execute(query).mappings()]


def live_in(connection: sa.Connection, channel: str, keys: Collection[str]) -> dict[str, int]:
    """How many incidents of each of these messages are not over."""
    query = (
        sa.select(deliveries.c.message, sa.func.count().label("n"))
        .where(
            deliveries.c.channel == channel,
            deliveries.c.message.in_(keys),
            deliveries.c.status != "resolved",
        )
        .group_by(deliveries.c.message)
    )
    return {row.message: row.n for row in connection.execute(query)}


def threads_behind(connection: sa.Connection, channel: str) -> tuple[Sent, str] | None:
    """A message of one incident whose thread lacks the gist that stands above it, or a chart."""
    query = (
        sa.select(deliveries.c.gist, *_SENT)
        .join(deliveries, sa.and_(*_same_message()))
        .where(
            messages.c.channel == channel,
            messages.c.storm.is_(False),
            messages.c.begun_at.is_not(None),
            deliveries.c.since.is_(None),
            sa.or_(
                messages.c.thread != deliveries.c.gist,
                messages.c.picture == "",
                sa.and_(deliveries.c.status == "resolved", messages.c.picture != "over"),
            ),
        )
        .order_by(messages.c.begun_at)
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    return Sent(**{name: row[name] for name in _NAMES}), str(row["gist"])


def notice_of(connection: sa.Connection, channel: str, incident_id: str) -> Notice:
    """An incident as of now."""
    query = sa.select(deliveries.c.notice).where(_is(channel, incident_id))
    return _decode(connection.execute(query).scalar_one())


def notices_in(connection: sa.Connection, channel: str, key: str) -> list[Notice]:
    """The incidents of a message as of now, in the order in which they came."""
    query = (
        sa.select(deliveries.c.notice)
        .where(deliveries.c.channel == channel, deliveries.c.message == key)
        .order_by(deliveries.c.outbox_id)
    )
    return [_decode(text) for text in connection.scalars(query)]


def _same_message() -> list[sa.ColumnElement[bool]]:
    return [deliveries.c.channel == messages.c.channel, deliveries.c.message == messages.c.key]


def _is(channel: str, incident_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.channel == channel, deliveries.c.incident_id == incident_id)
