"""Who changed what and when, and which requests were answered already.

Both are written in the transaction of the change itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.store.tables import Instant, metadata

REPEATABLE = timedelta(hours=24)
"""How long an answer is kept for a client that asks again with the same Idempotency-Key."""

_ORDER = 0x7075736877616B66  # a key of PostgreSQL's advisory locks

audit = Table(
    "audit",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("by", sa.String, nullable=False),
    Column("action", sa.String, nullable=False),
    Column("subject", sa.String, nullable=False),  # an incident's, silence's, window's, token's id
    Column("request_id", sa.String, nullable=False),
    Column("details", sa.Text, nullable=False),  # JSON
    Index(None, "subject"),
)

answered = Table(
    "answered",
    metadata,
    Column("key", sa.String, primary_key=True),  # of the client, who is named before it
    Column("question", sa.String, nullable=False),  # digest of method, path and body
    Column("at", Instant, nullable=False),
    Column("status", sa.Integer, nullable=False),
    Column("headers", sa.Text, nullable=False),  # JSON
    Column("body", sa.LargeBinary, nullable=False),
    Index(None, "at"),
)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change that somebody made."""

    id: int
    at: datetime
    by: str
    action: str
    subject: str
    request_id: str
    details: dict[str, Any]


class Answered(msgspec.Struct, frozen=True):
    """An answer that was given."""

    question: str
    status: int
    headers: dict[str, str]
    body: bytes


def note(
    connection: sa.Connection,
    *,
    at: datetime,
    by: str,
    action: str,
    subject: str,
    details: object,
    request_id: str = "",
) -> None:
    """Write down a change; ids come in the order in which the changes can be seen.

    For that, those who write wait for each other. SQLite's writers do so anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ORDER)))
    connection.execute(
        sa.insert(audit).values(
            at=at,
            by=by,
            action=action,
            subject=subject,
            request_id=request_id,
            details=msgspec.json.encode(details).decode(),
        )
    )


def find_entries(
    connection: sa.Connection,
    *,
    by: str | None = None,
    subject: str | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> list[AuditEntry]:
    """Changes, the last one first; with ``before``, those of lower ids."""
    query = sa.select(audit).order_by(audit.c.id.desc())
    for column, value in ((audit.c.by, by), (audit.c.subject, subject), (audit.c.action, action)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [entry_of(row) for row in connection.execute(query.limit(limit)).mappings()]


def entry_of(row: sa.RowMapping) -> AuditEntry:
    """The change that a row of the table tells."""
    return AuditEntry(**{**row, "details": msgspec.json.decode(row["details"])})


def earlier_answer(connection: sa.Connection, key: str, now: datetime) -> Answered | None:
    """The answer given under a key; None when there is none, or it is too old."""
    query = sa.select(answered).where(answered.c.key == key, answered.c.at > now - REPEATABLE)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Answered(row.question, row.status, msgspec.json.decode(row.headers), row.body)


def keep_answer(connection: sa.Connection, key: str, answer: Answered, now: datetime) -> None:
    """Keep an answer under a key, and forget those that are too old."""
    connection.execute(sa.delete(answered).where(answered.c.at <= now - REPEATABLE))
    connection.execute(
        sa.insert(answered).values(
            key=key,
            question=answer.question,
            at=now,
            status=answer.status,
            headers=msgspec.json.encode(answer.headers).decode(),
            body=answer.body,
        )
    )
