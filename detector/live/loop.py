"""One turn after the other: poll, judge, commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Event
from typing import Protocol

from detector import clock
from detector.live.absence import Absences
from detector.live.facts import facts_of
from detector.live.health import Health
from detector.live.letters import Letters, letters_of
from detector.live.metrics import Metrics
from detector.live.relays import Relays
from detector.live.status import Phase, Status
from detector.live.watermarks import Partition, Reading, Watermarks
from detector.record import Record
from detector.settings import Settings
from detector.worker import NEVER, Worker
from pipelines.batch import Batch
from pipelines.source import Loss, Offsets

NEWS = timedelta(minutes=15)
"""What is found about a past longer ago than this is recorded and told to nobody: history that a
new worker learns from, and a backlog that a shipper or a broker held back."""
RENEW_SHARE = 0.3  # of the lease's length between two renewals while there is nothing to commit

_TOLD: dict[Phase, str] = {
    "starting": "starting",
    "standby": "standing by: another process has the store",
    "learning": "reading what the topics hold; what is found is recorded and told to nobody yet",
    "live": "live: all that the topics held has been read, incidents are told from now on",
    "stopping": "told to end: committing what was read",
}

log = logging.getLogger("pushwake.run")


class LiveSource(Protocol):
    """What the loop needs of a source beyond `pipelines.source.Source`."""

    @property
    def partitions(self) -> list[Partition]:
        """What is read at present."""
        ...

    @property
    def problems(self) -> Sequence[Loss]:
        """Offsets that were not read; grows only."""
        ...

    def poll(self) -> Batch | None:
        """The next values of one partition; None when there are none at present."""
        ...

    def seek(self, offsets: Offsets) -> None:
        """Go on at these offsets."""
        ...

    def caught_up(self, topic: str, partition: int) -> bool:
        """Whether all that a partition held at last sight has been read."""
        ...

    def quiet_s(self, topic: str, partition: int) -> float:
        """Seconds since a partition last gave records."""
        ...

    def lags(self) -> Mapping[Partition, int]:
        """Records left to read, where that is known."""
        ...

    def committed(self, offsets: Offsets) -> None:
        """Hear what the store holds now."""
        ...


class Live:
    """Runs a worker on a source until told to stop.

    Nothing is caught here: a store or broker that fails ends the process, and whoever supervises
    it starts it again from the last commit.

    Args:
        source: records; `seek` is called first.
        worker: fresh; its state comes from the record.
        record: where steps are committed.
        settings: the whole tree.
        status: kept up for probes and metrics.
        metrics: counts what happens.
        letters: where records go that were not understood, if anywhere.
        now: the clock.
    """

    def __init__(
        self,
        source: LiveSource,
        worker: Worker,
        record: Record,
        settings: Settings,
        *,
        status: Status,
        metrics: Metrics,
        letters: Letters | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._source = source
        self._worker = worker
        self._record = record
        self._status = status
        self._metrics = metrics
        self._letters = letters
        self._delayed: set[str] = set()  # incidents whose delay is counted
        self._now = now
        self._marks = Watermarks()
        self._relays = Relays(settings.rollup.suffix if settings.rollup.on else "")
        record.keep("watermarks", self._marks)
        self._absences = Absences(clock.monotonic_s)
        self._health = Health(worker, status, settings.run.ready_behind_s, now=now)
        self._judged = NEVER
        self._closing = timedelta(seconds=worker.bucket_s + settings.detection.lateness_s)
        self._renew_s = settings.store.lease_s * RENEW_SHARE
        self._commit_s = settings.store.commit_s
        self._committed_s = clock.monotonic_s()
        self._renewed_s = self._committed_s
        self._since_commit = 0
        self._is_news = False  # whether something was judged since the last commit
        self._told_losses = 0

    def run(self, stop: Event) -> None:
        """Turn until ``stop`` is set; then commit what was read.

        Raises:
            StoreError: the store cannot be written.
            SourceError: the source cannot be read.
        """
        offsets = self._record.resume()
        self._source.seek(offsets)
        self._health.resume(offsets, self._record.open_conditions())
        self._phase("learning")
        while not stop.is_set():
            self.turn()
        self._phase("stopping")
        self._commit()

    def turn(self) -> None:
        """Read at most one batch, judge what can be judged, commit when it is time."""
        batch = self._source.poll()
        if batch is not None:
            self._take(batch)
        readings = self._readings()
        self._absences.look(readings)
        watermark = self._marks.value(self._served(readings), self._closing)
        if watermark is not None and watermark > self._judged:
            self._record.tell = self._is_present_time()
            self._worker.advance(watermark)
            self._judged = watermark
            self._is_news = True
        self._look()
        waited = clock.monotonic_s() - self._committed_s
        self._health.look(readings, self._absences.away)
        is_news = self._since_commit or self._is_news or self._health.is_news
        if waited >= self._commit_s and is_news:
            self._commit()
        elif clock.monotonic_s() - self._renewed_s >= self._renew_s:
            self._renewed_s = clock.monotonic_s()
            if self._record.renew():
                self._commit()

    def _take(self, batch: Batch) -> None:
        time = self._worker.add(batch)
        place = (batch.topic, batch.partition)
        if self._relays.hear(batch, self._worker.heads):
            self._marks.heard(place, time, self._now())
            newest = ((one.proxy, one.time) for one in self._worker.roster.heard)
            self._health.hear(batch, newest, at_end=self._reading(place).caught_up)
        self._bury(batch)
        self._record.stage(batch)
        self._since_commit += len(batch.values)
        self._status.records += len(batch.values)

    def _bury(self, batch: Batch) -> None:
        """Send what was not understood to where it can be looked at, before it is committed."""
        rejects = self._worker.rejects.newest
        if self._letters is None or rejects.is_empty():
            return
        letters = letters_of(batch, rejects)
        self._letters.send(letters)
        self._metrics.dead_letters.inc(len(letters))

    def _readings(self) -> dict[Partition, Reading]:
        return {one: self._reading(one) for one in self._source.partitions}

    def _reading(self, one: Partition) -> Reading:
        here = Reading(self._source.caught_up(*one), self._source.quiet_s(*one))
        return self._relays.reading(one, here)

    def _served(self, readings: Mapping[Partition, Reading]) -> dict[Partition, Reading]:
        """Without the partitions whose brokers are away for long: what they hold will be late."""
        away = self._absences.away
        return {one: reading for one, reading in readings.items() if one not in away}

    def _look(self) -> None:
        """Keep the status up, and notice when the present is reached."""
        status = self._status
        status.turned_s = clock.monotonic_s()
        status.lags = dict(self._source.lags())
        status.lag = sum(status.lags.values()) if status.lags else None
        period = self._worker.period
        status.event_time = period[1] if period else None
        status.furthest = self._marks.furthest
        for loss in self._source.problems[self._told_losses :]:
            log.warning(str(loss))
            status.losses += max(0, loss.next_offset - loss.first_offset)
        self._told_losses = len(self._source.problems)
        if status.phase == "learning" and self._is_present():
            self._phase("live")

    def _is_present(self) -> bool:
        """Whether all that the topics hold has been read."""
        readings = self._served(self._readings())
        return bool(readings) and all(reading.caught_up for reading in readings.values())

    def _commit(self) -> None:
        start = clock.monotonic_s()
        if self._letters is not None:
            self._letters.flush()
        self._record.conditions = self._health.take()
        offsets = self._record.commit()
        end = clock.monotonic_s()
        self._metrics.commits.observe(end - start)
        self._measure()
        self._status.per_s = self._since_commit / max(1e-3, end - self._committed_s)
        self._status.committed_at = self._now()
        self._committed_s = self._renewed_s = end
        self._since_commit = 0
        self._is_news = False
        self._source.committed(offsets)

    def _is_present_time(self) -> bool:
        """Whether what is judged now is news, and no history."""
        furthest = self._marks.furthest
        return furthest is not None and self._now() - furthest <= NEWS

    def _measure(self) -> None:
        """Count what there is, and how late new incidents are told."""
        self._status.facts = facts_of(self._worker, self._record.sizes, self._health.open)
        incidents = {one.id: one for one in self._worker.book.incidents}
        if self._status.phase == "live":
            for new in incidents.keys() - self._delayed:
                delay = self._now() - incidents[new].started_at
                self._metrics.delays.observe(delay.total_seconds())
        self._delayed = set(incidents)

    def _phase(self, phase: Phase) -> None:
        self._status.phase = phase
        self._status.since = self._now()
        log.info(_TOLD[phase], extra={"fields": {"phase": phase, "lag": self._status.lag}})
