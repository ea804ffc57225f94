"""Connections to the store's database, and its errors in our words."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa

from detector.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnreachableError,
    StoreUrlError,
)
from detector.secrecy import keep_secret

READING = "pushwake_reading"
"""Execution option of a transaction that only reads and so need not wait for the writer."""

_LOCK = 0x7075736877616B65  # "pushwake": a key of PostgreSQL's advisory locks

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
_SERVER = "Check that the server runs, and its address, user and password in store.url"
_NO_DATABASE = "Create the database and its user, or correct store.url"
_BY_SQLSTATE: dict[str, tuple[type[StoreError], str, str]] = {
    "53100": _BY_SQLITE_CODE[sqlite3.SQLITE_FULL],  # disk_full
    "25006": (  # read_only_sql_transaction
        StoreReadOnlyError,
        "may not be written",
        "Name a primary server in store.url, not a standby",
    ),
    "42501": (  # insufficient_privilege
        StoreReadOnlyError,
        "may not be used by this user",
        "Let the user of store.url own the database and its tables",
    ),
    "55P03": _BY_SQLITE_CODE[sqlite3.SQLITE_BUSY],  # lock_not_available
}


def connect(url: str, *, busy_timeout_s: float) -> sa.Engine:
    """An engine for ``url``; no connection is made yet.

    SQLite runs in WAL mode, so that readers and the writer do not wait for each other, with
    ``synchronous=FULL``, so that a commit outlives a loss of power. Transactions begin with the
    write lock (BEGIN IMMEDIATE) unless they are marked `READING`: one that turned from reading
    to writing half-way could be refused. On PostgreSQL `READING` transactions see one state.

    Raises:
        StoreUrlError: nothing can be made of the address.
    """
    try:
        address = sa.make_url(url)
        keep_secret(address.password or "")
        engine = sa.create_engine(address, **_options(address, busy_timeout_s))
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise StoreUrlError(
            f"is no usable address ({error})",
            where="store.url",
            advice="Write sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE",
        ) from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, busy_timeout_s)
    return engine


def marked_reading(engine: sa.Engine) -> sa.Engine:
    """The same engine, its transactions for reading only, each seeing one state."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine.execution_options(**{READING: True})


def lock_tables(connection: sa.Connection) -> None:
    """Let nobody else migrate or take the lease until this transaction ends.

    SQLite's writing transactions exclude each other anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _options(address: sa.URL, busy_timeout_s: float) -> dict[str, Any]:
    if address.get_backend_name() != "postgresql":
        return {}
    waits = f"-c lock_timeout={int(busy_timeout_s * 1000)}"
    return {"connect_args": {"connect_timeout": math.ceil(busy_timeout_s), "options": waits}}


def _prepare_sqlite(engine: sa.Engine, busy_timeout_s: float) -> None:
    @sa.event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -16384")  # KiB; by default 2,000

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
        kind, what, advice = _told(error)
        raise kind(what, where=where, advice=advice) from error


def _told(error: sa.exc.DBAPIError) -> tuple[type[StoreError], str, str]:
    """Class, fact and advice of a database's error."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # extended codes refine this byte
    state = getattr(error.orig, "sqlstate", None)
    fact = str(error.orig).strip().partition("\n")[0]
    if code in _BY_SQLITE_CODE:
        return _BY_SQLITE_CODE[code]
    if state in _BY_SQLSTATE:
        return _BY_SQLSTATE[state]
    if isinstance(error.orig, psycopg.OperationalError):
        if "FATAL" in fact and "does not exist" in fact:  # libpq tells no code of a login
            return StoreUrlError, f"the server refuses ({fact})", _NO_DATABASE
        return StoreUnreachableError, f"the server cannot be reached ({fact})", _SERVER
    return StoreError, f"failed ({fact})", "Check that the database is well"
