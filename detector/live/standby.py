"""Getting the store: at once, or as soon as the process that has it is gone."""

from __future__ import annotations

import logging
from threading import Event
from typing import NamedTuple

from detector import clock
from detector.errors import StoreBusyError
from detector.live.status import Status
from detector.settings import Settings
from detector.store import Store
from detector.store.lease import NOBODY, Holder, holder
from detector.store.reading import reading

PAUSE_S = 1.0
PEEKS = 8
"""Looks at the lease within its length, when that is shorter than `PAUSE_S` allows."""
STILL_SHARE = 0.6
"""Of the lease's length for which it must not have been renewed, beside being expired. A holder
renews it at a third of its length; if the clocks of two machines differ, one that only looks at
the time would take the store from another that is well."""

log = logging.getLogger("pushwake.run")


class _Sight(NamedTuple):
    """A lease as it was seen first."""

    holder: Holder | None
    since_s: float


def open_store(settings: Settings, status: Status, stop: Event) -> Store | None:
    """The store, with its lease; None when told to stop before it was free.

    Args:
        settings: its address; whether to wait.
        status: told that this process stands by.
        stop: ends the waiting.

    Raises:
        StoreBusyError: another process has it, and this one is not to wait.
        StoreError: it cannot be used.
    """
    while not stop.is_set():
        try:
            return Store.open(settings.store.url, settings=settings.store)
        except StoreBusyError as error:
            if not settings.run.standby:
                raise
            if status.phase != "standby":
                log.info("standing by: the store %s", error.what)
                status.phase, status.since = "standby", clock.now()
        _wait(settings, status, stop)
    return None


def _wait(settings: Settings, status: Status, stop: Event) -> None:
    """Return when the lease looks free, or when told to stop."""
    lease_s = settings.store.lease_s
    seen: _Sight | None = None
    while not stop.wait(min(PAUSE_S, lease_s / PEEKS)):
        status.turned_s = clock.monotonic_s()
        with reading(settings.store) as connection:
            now = holder(connection)
        if now is None or now.owner == NOBODY:
            return
        if seen is None or seen.holder != now:
            seen = _Sight(now, clock.monotonic_s())
        still_s = clock.monotonic_s() - seen.since_s
        if now.expires_at <= clock.now() and still_s >= STILL_SHARE * lease_s:
            return
