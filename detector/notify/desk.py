"""The store as the notifier writes it: under a lease of its own, so that there is one of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import sqlalchemy as sa

from detector.errors import StoreError
from detector.store.lease import NOTIFIER, Lease, acquire, release, renew, this_process
from detector.store.shared import SharedStore


class Desk:
    """Transactions that fail once another notifier has taken over.

    Args:
        store: read and written; the worker makes its tables.
        lease_s: how long others wait for a notifier that has died.
        now: the clock.
    """

    def __init__(self, store: SharedStore, lease_s: float, now: Callable[[], datetime]) -> None:
        self._store = store
        self._length = timedelta(seconds=lease_s)
        self._now = now
        self._held: Lease | None = None

    def take(self) -> None:
        """Become the only notifier of this store.

        Raises:
            StoreBusyError: there is another one.
            StoreError: there is no store yet, or it cannot be written.
        """
        with self._store.writing() as connection:
            self._held = acquire(
                connection,
                owner=this_process(),
                length=self._length,
                now=self._now(),
                where=self._store.where,
                role=NOTIFIER,
            )

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the store and changes nothing."""
        with self._store.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that also renews the lease.

        Raises:
            LeaseLostError: another process took over; nothing is written.
            StoreError: it cannot be written.
        """
        assert self._held is not None, "take() comes first"
        with self._store.writing() as connection:
            renew(connection, self._held, now=self._now(), where=self._store.where)
            yield connection

    def keep(self) -> None:
        """Renew the lease while there is nothing to write."""
        with self.writing():
            pass

    def close(self) -> None:
        """Let the next one in; never raises."""
        if self._held is not None:
            with suppress(StoreError), self._store.writing() as connection:
                release(connection, self._held, now=self._now())
        self._store.close()
