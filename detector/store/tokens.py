"""Bearer tokens: a digest of each, and what it may do.

The token itself is shown once and kept nowhere. It carries 256 random bits, so a plain
digest guards it as well as a slow one would.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Table

from detector.store.tables import Instant, metadata

Scope = Literal["read", "gate", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""From the least to the most; each includes those before it."""

PREFIX = "pushwake_"
"""So that scanners for leaked secrets can know one."""

tokens = Table(
    "tokens",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("name", sa.String, nullable=False),
    Column("scope", sa.String, nullable=False),
    Column("digest", sa.String, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token; not the token."""

    id: str
    name: str  # of who bears it, as the audit log shows it
    scope: Scope
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything."""
        ended = self.expires_at is not None and now >= self.expires_at
        return self.revoked_at is None and not ended


def allowed(scope: Scope, wanted: Scope) -> bool:
    """Whether ``scope`` includes ``wanted``."""
    return SCOPES.index(scope) >= SCOPES.index(wanted)


def digest(secret: str) -> str:
    """What is kept of a token."""
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def create_token(
    connection: sa.Connection, name: str, scope: Scope, now: datetime, expires_at: datetime | None
) -> tuple[Token, str]:
    """A new token: what is known of it, and the secret, which nobody can tell again."""
    token = Token(
        id=secrets.token_hex(4), name=name, scope=scope, created_at=now, expires_at=expires_at
    )
    secret = f"{PREFIX}{token.id}_{secrets.token_urlsafe(32)}"
    values = msgspec.structs.asdict(token) | {"digest": digest(secret)}
    connection.execute(sa.insert(tokens).values(values))
    return token, secret


def revoke_token(connection: sa.Connection, token_id: str, now: datetime) -> bool:
    """Let a token open nothing any more; False when there is no live one of this id."""
    statement = sa.update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    return connection.execute(statement.values(revoked_at=now)).rowcount > 0


def list_tokens(connection: sa.Connection) -> list[Token]:
    """All tokens, the oldest first."""
    query = sa.select(tokens).order_by(tokens.c.created_at, tokens.c.id)
    return [_token(row) for row in connection.execute(query)]


def find_token(connection: sa.Connection, digest_of_it: str) -> Token | None:
    """The token of a digest; None if unknown."""
    row = connection.execute(sa.select(tokens).where(tokens.c.digest == digest_of_it)).one_or_none()
    return None if row is None else _token(row)


def _token(row: sa.Row[Any]) -> Token:
    return Token(**{name: row._mapping[name] for name in Token.__struct_fields__})
