"""Reading a store beside the process that writes it: no lease, no migration, nothing created."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from detector.errors import StoreUrlError, StoreVersionError
from detector.settings import StoreSettings
from detector.store.database import connect, marked_reading, our_errors
from detector.store.migrate import is_current


@contextmanager
def reading(settings: StoreSettings) -> Iterator[sa.Connection]:
    """A connection whose transaction sees one state of the store and changes nothing.

    Raises:
        StoreUrlError: there is no store at the address.
        StoreVersionError: its tables are of another version.
        StoreError: it cannot be read; the class and the message say why.
    """
    engine = connect(settings.url, busy_timeout_s=settings.busy_timeout_s)
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file and not Path(file).is_file():
        raise StoreUrlError(
            "there is no store",
            where=engine.url.render_as_string(hide_password=True),
            advice="Name the store of a running Pushwake with --store, or start one",
        )
    try:
        marked = marked_reading(engine)
        with our_errors(engine), marked.begin() as connection:
            if not is_current(connection):
                raise StoreVersionError(
                    "its tables are of another version",
                    where=engine.url.render_as_string(hide_password=True),
                    advice="Let the Pushwake that writes it start once, in this version",
                )
            yield connection
    finally:
        engine.dispose()
