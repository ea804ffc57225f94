"""The process `pushwake notify`: one thread a channel, under one lease."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event, Thread

from detector import clock
from detector.errors import PushwakeError, StoreError
from detector.notify.courier import Courier
from detector.notify.desk import Desk
from detector.notify.health import Health
from detector.store import telling

RENEW_SHARE = 0.3  # of the lease's length between two renewals
PRUNE_S = 3_600.0
STANDBY_S = 1.0  # between two tries to become the notifier
GRACE_S = 15.0  # for messages under way when the process is told to stop

log = logging.getLogger("pushwake.notify")


class Notifier:
    """Runs couriers until told to stop.

    Args:
        desk: the store.
        couriers: one a channel, by name.
        lease_s: length of the lease.
        kept: for how long what was told is remembered.
        health: kept up for probes.
        now: the clock.
    """

    def __init__(
        self,
        desk: Desk,
        couriers: Mapping[str, Courier],
        *,
        lease_s: float,
        kept: timedelta,
        health: Health,
        now: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._couriers = couriers
        self._renew_s = lease_s * RENEW_SHARE
        self._kept = kept
        self._health = health
        self._now = now
        self._failed: list[BaseException] = []

    def run(self, stop: Event) -> None:
        """Deliver until ``stop`` is set; messages under way are finished.

        Raises:
            LeaseLostError: another notifier took over.
            StoreError: the store failed for good.
        """
        if not self._become(stop):
            return
        threads = [
            Thread(target=self._courier, args=(courier, stop), name=name, daemon=True)
            for name, courier in self._couriers.items()
        ]
        for thread in threads:
            thread.start()
        try:
            self._keep(stop)
        finally:
            stop.set()
            self._health.phase = "stopping"
            for thread in threads:
                thread.join(GRACE_S)
            self._desk.close()
        if self._failed:
            raise self._failed[0]

    def _become(self, stop: Event) -> bool:
        """Wait for a store and for its lease; whether it was had before the stop."""
        told = ""
        while not stop.is_set():
            try:
                self._desk.take()
            except StoreError as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("standing by: %s", told)
                self._health.phase, self._health.trouble = "standby", told
                stop.wait(STANDBY_S)
            else:
                self._health.phase, self._health.trouble = "running", ""
                log.info("telling %s", ", ".join(self._couriers))
                return True
        self._desk.close()
        return False

    def _keep(self, stop: Event) -> None:
        pruned_s = clock.monotonic_s() - PRUNE_S
        while not stop.wait(self._renew_s):
            self._desk.keep()
            if clock.monotonic_s() - pruned_s >= PRUNE_S:
                pruned_s = clock.monotonic_s()
                with self._desk.writing() as connection:
                    telling.prune(connection, list(self._couriers), self._now() - self._kept)

    def _courier(self, courier: Courier, stop: Event) -> None:
        try:
            courier.run(stop)
        except PushwakeError as error:
            self._failed.append(error)
        except Exception as error:
            self._failed.append(error)
            raise
        finally:
            stop.set()
