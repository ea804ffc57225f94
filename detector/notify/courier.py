"""Runs one channel: folds the outbox, sends at the channel's pace, waits as it is told to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom
from threading import Event
from typing import Protocol

from detector import clock
from detector.errors import LeaseLostError, SettingsError, StoreError
from detector.notify import routing
from detector.notify.desk import Desk
from detector.notify.meter import Meter
from detector.notify.outcomes import Outcome
from detector.notify.secrets import Secret
from detector.settings import ChannelSettings, NotifySettings
from detector.store import deliveries, folding, telling

LOOK_S = 0.5
"""Seconds between two looks at the outbox and, while a channel is stopped, at its secret."""
FOLDED = 500  # rows of the outbox in one transaction

log = logging.getLogger("pushwake.notify")


class Line(Protocol):
    """Delivers to one channel and records what it delivered."""

    def step(self) -> Outcome | None:
        """Send at most one message; None when there is nothing to send."""
        ...


@dataclass(slots=True)
class Standing:
    """Where a channel stands, for probes: plain facts, read from another thread."""

    turned_s: float = field(default_factory=clock.monotonic_s)  # of the monotonic clock
    waiting: int = 0
    oldest_s: float = 0.0
    held: int = 0  # by quiet hours
    problem: str = ""
    since: datetime | None = None
    retry_at: datetime | None = None
    last: str = ""  # the last failure
    sent_at: datetime | None = None


class Courier:
    """One channel's loop, for a thread of its own.

    Args:
        name: of the channel.
        line: delivers.
        desk: the store.
        channel: its settings.
        settings: those of all channels.
        secret: reads the channel's secret; a changed one ends a stop.
        meter: counts.
        now: the clock.
        pause_s: seconds between two messages.
        chance: a number between 0 and the one given, for jitter.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        desk: Desk,
        channel: ChannelSettings,
        settings: NotifySettings,
        *,
        secret: Callable[[], Secret | None],
        meter: Meter,
        now: Callable[[], datetime],
        pause_s: float,
        chance: Callable[[float], float] = lambda most: SystemRandom().uniform(0, most),
    ) -> None:
        self._name = name
        self._line = line
        self._desk = desk
        self._channel = channel
        self._settings = settings
        self._secret = secret
        self._meter = meter
        self._now = now
        self._pause_s = pause_s
        self._chance = chance
        self._failures = 0
        self._stopped_with: Secret | None = None
        self.standing = Standing()

    def run(self, stop: Event) -> None:
        """Deliver until ``stop`` is set.

        Raises:
            LeaseLostError: another notifier took over.
        """
        self._resume()
        while not stop.is_set():
            try:
                wait_s = self.turn()
            except LeaseLostError:
                raise
            except StoreError as error:
                self.standing.last = str(error)
                log.warning("%s: %s", self._name, error)
                wait_s = self._settings.backoff_s
            stop.wait(wait_s)

    def turn(self) -> float:
        """Take what is new and send at most one message.

        Returns:
            Seconds to wait until the next turn.
        """
        self.standing.turned_s = clock.monotonic_s()
        self._fold()
        self._look()
        now = self._now()
        standing = self.standing
        if standing.problem:
            if self._secret_is_the_same():
                return LOOK_S
            self._stop("")
        if standing.retry_at is not None and now < standing.retry_at:
            return min(LOOK_S, (standing.retry_at - now).total_seconds())
        outcome = self._line.step()
        if outcome is None:
            return LOOK_S
        self._meter.result(self._name, outcome.answer)
        return self._after(outcome)

    def _after(self, outcome: Outcome) -> float:
        """Act upon an answer; seconds to wait."""
        if outcome.answer in {"sent", "gone"}:
            self._failures = 0
            self.standing.last = ""
            self.standing.sent_at = self._now()
            self._pause(0.0)
            return self._pause_s
        self.standing.last = outcome.detail
        log.warning("%s: %s: %s", self._name, outcome.answer, outcome.detail)
        if outcome.answer in {"stop", "refused"}:
            self._stop(outcome.detail)
            return LOOK_S
        if outcome.answer == "wait":
            self._pause(outcome.after_s)
            return min(LOOK_S, outcome.after_s)
        most = self._settings.backoff_s * 2 ** min(self._failures, 30)
        self._failures += 1
        pause_s = self._chance(min(self._settings.backoff_max_s, most))
        self._pause(pause_s)
        return min(LOOK_S, pause_s)

    def _fold(self) -> None:
        with self._desk.reading() as connection:
            if not folding.behind(connection, self._name):
                return
        taken = FOLDED
        while taken == FOLDED:
            with self._desk.writing() as connection:
                taken = folding.fold(
                    connection,
                    self._name,
                    lambda n: routing.wants(self._channel, n.document),
                    FOLDED,
                )

    def _look(self) -> None:
        """Note what is left to tell. What quiet hours hold back is neither late nor a fault."""
        with self._desk.reading() as connection:
            rows = deliveries.pending(connection, self._name)
        now, standing = self._now(), self.standing
        free = [row for row in rows if not routing.rests(self._channel, row, now)]
        since = min((row.since for row in free if row.since), default=now)
        standing.waiting, standing.held = len(free), len(rows) - len(free)
        standing.oldest_s = max(0.0, (now - since).total_seconds())
        self._meter.queue(self._name, standing.waiting, standing.oldest_s, standing.held)

    def _resume(self) -> None:
        """Keep to a pause of before; a stop of before ends: somebody may have acted."""
        try:
            with self._desk.reading() as connection:
                self.standing.retry_at = deliveries.standing(connection, self._name).retry_at
        except StoreError as error:
            self.standing.last = str(error)
        self._meter.held(self._name, stopped=False, pause_s=0.0)

    def _pause(self, seconds: float) -> None:
        until = self._now() + timedelta(seconds=seconds) if seconds else None
        if until != self.standing.retry_at:
            self.standing.retry_at = until
            with self._desk.writing() as connection:
                telling.pause(connection, self._name, until)
        self._meter.held(self._name, stopped=bool(self.standing.problem), pause_s=seconds)

    def _stop(self, problem: str) -> None:
        self._stopped_with = self._read_secret() if problem else None
        self.standing.problem = problem
        self.standing.since = self._now() if problem else None
        with self._desk.writing() as connection:
            telling.stop(connection, self._name, problem, self._now())
        self._meter.held(self._name, stopped=bool(problem), pause_s=0.0)

    def _secret_is_the_same(self) -> bool:
        return self._read_secret() == self._stopped_with

    def _read_secret(self) -> Secret | None:
        try:
            return self._secret()
        except SettingsError:
            return None
