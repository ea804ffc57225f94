"""A store as another process uses it beside the worker: without the lease, for many threads.

It reads what the worker published, and writes people's own tables (silences, feedback, tokens,
the audit log). Nothing is created or migrated here: that is the worker's part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from detector.errors import StoreUrlError, StoreVersionError
from detector.settings import StoreSettings
from detector.store.database import READING, connect, our_errors
from detector.store.migrate import is_current

Connection = sa.Connection
"""Under this name for those who pass one on and know no database."""


class SharedStore:
    """A pool of connections to a store that a worker writes.

    Args:
        settings: its address and how long to wait for the worker's transaction.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._engine = connect(settings.url, busy_timeout_s=settings.busy_timeout_s)
        self._reading = self._engine.execution_options(**{READING: True})
        self._where = self._engine.url.render_as_string(hide_password=True)
        self._known = False  # the tables have been seen to be of this version

    @property
    def where(self) -> str:
        """The store's address, without a password."""
        return self._where

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection whose transaction sees one state of the store and changes nothing.

        Raises:
            StoreUrlError: there is no store at the address yet.
            StoreVersionError: its tables are of another version.
            StoreError: it cannot be read; the class and the message say why.
        """
        self._need_file()
        with our_errors(self._engine), self._reading.begin() as connection:
            self._need_version(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes people's tables, all of it or nothing.

        Raises:
            StoreUrlError: there is no store at the address yet.
            StoreVersionError: its tables are of another version.
            StoreError: it cannot be written; the class and the message say why.
        """
        self._need_file()
        with our_errors(self._engine), self._engine.begin() as connection:
            self._need_version(connection)
            yield connection

    def close(self) -> None:
        """Let go of all connections; may be called twice."""
        self._engine.dispose()

    def _need_file(self) -> None:
        file = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and not (file and Path(file).is_file()):
            self._known = False
            raise StoreUrlError(
                "there is no store",
                where=self._where,
                advice="Start the worker that writes it, or name its store with --store",
            )

    def _need_version(self, connection: sa.Connection) -> None:
        if self._known:
            return
        if not is_current(connection):
            raise StoreVersionError(
                "its tables are of another version",
                where=self._where,
                advice="Run worker and web process in the same version; the worker migrates",
            )
        self._known = True
