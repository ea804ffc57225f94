"""Connections to the store's database, and its errors in our words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from detector.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUrlError,
)

READING = "pushwake_reading"
"""Execution option of a transaction that only reads and so need not wait for the writer."""

_BY_SQLITE_CODE: dict[int, tuple[type[StoreError], str, str]] = {
    sqlite3.SQLITE_FULL: (
        StoreFullError,
        "no space left to write",
        "Free some space and start again: nothing of the last step was written",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnlyError,
        "may not be written",
        "Grant write permission on the file and its folder, or set store.url to another file",
    ),
    sqlite3.SQLITE_CORRUPT: (
        StoreCorruptError,
        "is damaged",
        "Move the file away and start anew, or restore a copy of it",
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreCorruptError,
        "is no SQLite database",
        "Set store.url to a new file, or to one that Pushwake made",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreUrlError,
        "cannot be opened",
        "Check that its folder exists and may be written",
    ),
    sqlite3.SQLITE_BUSY: (
        StoreBusyError,
        "is being written by another process",
        "Wait until that one is done, or stop it",
    ),
}


def connect(url: str, *, busy_timeout_s: float) -> sa.Engine:
    """An engine for ``url``; no connection is made yet.

    SQLite runs in WAL mode, so that readers and the writer do not wait for each other, with
    ``synchronous=FULL``, so that a commit outlives a loss of power. Transactions begin with the
    write lock (BEGIN IMMEDIATE) unless they are marked `READING`: one that turned from reading
    to writing half-way could be refused.

    Raises:
        StoreUrlError: nothing can be made of the address.
    """
    try:
        address = sa.make_url(url)
        engine = sa.create_engine(address)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise StoreUrlError(
            f"is no usable address ({error})",
            where="store.url",
            advice="Write sqlite:///FILE for a file, or sqlite:// for memory",
        ) from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, busy_timeout_s)
    return engine


def _prepare_sqlite(engine: sa.Engine, busy_timeout_s: float) -> None:
    @sa.event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get(READING)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def our_errors(engine: sa.Engine) -> Iterator[None]:
    """Turn the database's errors into a `StoreError` that says what to do."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # extended codes refine this byte
        kind, what, advice = _BY_SQLITE_CODE.get(
            code, (StoreError, f"failed ({error.orig})", "Check that the database is well")
        )
        raise kind(what, where=where, advice=advice) from error
