"""The ledger's rows in the store: one a proxy, one an istiod; written as they change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.reconciliation import IstiodRow, LedgerRows, ProxyRow
from detector.store import tables
from detector.store.tables import Instant, metadata

CHUNK = 5_000
"""Rows a statement is executed with at once."""

proxies = Table(
    "proxies",
    metadata,
    Column("name", sa.String, primary_key=True),  # pod.namespace
    Column("namespace", sa.String),
    Column("istiod", sa.String),
    Column("version", sa.String),  # of the control plane it is connected to
    Column("revision", sa.String),
    Column("proxy_version", sa.String),
    Column("connected", sa.Boolean, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("document", sa.Text, nullable=False),  # detector.reconciliation.ProxyRow as JSON
    Index(None, "version"),
)

istiods = Table(
    "istiods",
    metadata,
    Column("name", sa.String, primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Column("document", sa.Text, nullable=False),  # detector.reconciliation.IstiodRow as JSON
)


def write_ledger(connection: sa.Connection, rows: LedgerRows) -> None:
    """Write what changed and delete what is gone; part of the worker's transaction."""
    _delete(connection, proxies, rows.gone)
    _replace(connection, proxies, map(_proxy, rows.proxies))
    _delete(connection, istiods, rows.gone_istiods)
    _replace(connection, istiods, map(_istiod, rows.istiods))
    if rows.merged:
        windows = tables.windows
        connection.execute(sa.delete(windows).where(windows.c.id.in_(rows.merged)))


def read_proxies(
    connection: sa.Connection,
    *,
    search: str | None = None,
    version: str | None = None,
    istiod: str | None = None,
    connected: bool | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[ProxyRow]:
    """Proxies by name.

    Args:
        connection: to the store.
        search: only those whose name, istiod, node or workload contains this text.
        version: only those connected to a control plane of this version.
        istiod: only those of this istiod.
        connected: only those that are, or are not.
        after: only names behind this one: the last of the page before.
        limit: at the most so many.
    """
    query = sa.select(proxies.c.document).order_by(proxies.c.name)
    if search:
        query = query.where(proxies.c.document.contains(search, autoescape=True))
    if version is not None:
        query = query.where(proxies.c.version == version)
    if istiod is not None:
        query = query.where(proxies.c.istiod == istiod)
    if connected is not None:
        query = query.where(proxies.c.connected == connected)
    if after is not None:
        query = query.where(proxies.c.name > after)
    texts = connection.scalars(query.limit(limit))
    return [msgspec.json.decode(text, type=ProxyRow) for text in texts]


def read_proxy(connection: sa.Connection, name: str) -> ProxyRow | None:
    """One proxy by "pod.namespace"; None if the ledger does not know it."""
    text = connection.scalar(sa.select(proxies.c.document).where(proxies.c.name == name))
    return None if text is None else msgspec.json.decode(text, type=ProxyRow)


def read_istiods(connection: sa.Connection) -> list[IstiodRow]:
    """All istiods by name."""
    texts = connection.scalars(sa.select(istiods.c.document).order_by(istiods.c.name))
    return [msgspec.json.decode(text, type=IstiodRow) for text in texts]


def _proxy(row: ProxyRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "namespace": row.namespace,
        "istiod": row.istiod,
        "version": row.version,
        "revision": row.revision,
        "proxy_version": row.proxy_version,
        "connected": row.connected,
        "seen_at": row.seen_at,
        "document": msgspec.json.encode(row).decode(),
    }


def _istiod(row: IstiodRow) -> dict[str, Any]:
    document = msgspec.json.encode(row).decode()
    return {"name": row.name, "seen_at": row.seen_at, "document": document}


def _replace(connection: sa.Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write many rows at once, whether they exist or not, in SQL that every database knows."""
    whole = list(rows)
    _delete(connection, table, [row["name"] for row in whole])
    for first in range(0, len(whole), CHUNK):
        connection.execute(sa.insert(table), whole[first : first + CHUNK])


def _delete(connection: sa.Connection, table: sa.Table, names: Collection[str]) -> None:
    keys = [{"gone": name} for name in names]
    statement = sa.delete(table).where(table.c.name == sa.bindparam("gone"))
    for first in range(0, len(keys), CHUNK):
        connection.execute(statement, keys[first : first + CHUNK])
