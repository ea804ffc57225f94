"""What a worker would find at a store's address; nothing is changed by looking."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from detector.errors import StoreReadOnlyError, StoreUrlError
from detector.settings import StoreSettings
from detector.store.database import connect, marked_reading, our_errors
from detector.store.lease import NOBODY, holder
from detector.store.migrate import age


def inspect(settings: StoreSettings, now: datetime) -> str:
    """In words, whether a worker could use the store.

    Raises:
        StoreError: it could not; the class and the message say why.
    """
    engine = connect(settings.url, busy_timeout_s=settings.busy_timeout_s)
    try:
        if engine.dialect.name == "sqlite" and (told := _file(engine)):
            return told
        marked = marked_reading(engine)
        with our_errors(engine), marked.begin() as connection:
            return _tables(connection, now)
    finally:
        engine.dispose()


def _file(engine: sa.Engine) -> str | None:
    """What there is to say of an SQLite file before it is opened, if that is all."""
    name, where = engine.url.database, engine.url.render_as_string()
    if not name or name == ":memory:":
        return "in memory: nothing outlives the process"
    path = Path(name).absolute()
    if not path.parent.is_dir():
        raise StoreUrlError("its folder does not exist", where=where, advice=f"Make {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise StoreReadOnlyError(
            "may not be written",
            where=where,
            advice="Grant write permission on the file and its folder",
        )
    return None if path.exists() else f"{path} will be made"


def _tables(connection: sa.Connection, now: datetime) -> str:
    held = age(connection)
    if held != "current":
        return {"none": "empty, tables will be made", "older": "will be brought up to date"}[held]
    one = holder(connection)
    if one is None or one.owner == NOBODY or one.expires_at <= now:
        return "free"
    return f"held by {one.owner}: a second worker would stand by"
