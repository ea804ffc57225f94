"""The one place where the parts meet: batches in, incidents out.

What comes out depends on the records, the settings and the code alone: not on how the records
were cut into batches, nor on the clock of the machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import numpy as np
import polars as pl

from detector import digest, signatures
from detector import moments as moment_log
from detector.attribution import Case, explain
from detector.configure import formats_of
from detector.details import DetailLog
from detector.digest import Digest, Heard
from detector.engine import Engine
from detector.engine.series import Bucket
from detector.exemplars import ExemplarLog
from detector.incidents import Change, IncidentBook, is_due
from detector.moments import MomentLog
from detector.naming import in_full, workloads
from detector.reconciliation import Inference, Ledger, Mark
from detector.rejects import RejectLog
from detector.roster import Roster
from detector.settings import Settings
from detector.timeline import Chronicle
from detector.types import Incident, Window, WindowKind
from pipelines import schema
from pipelines.batch import Batch
from pipelines.parse import Parser
from pipelines.rollup import Rollup

NEVER = datetime.min.replace(tzinfo=UTC)


class Worker:
    """All state between records and incidents.

    Args:
        settings: the whole tree; its formats are tried on every record before the known layouts.
    """

    def __init__(self, settings: Settings) -> None:
        formats = formats_of(settings)
        detection = settings.detection
        self._parser = Parser(formats)
        self._rollup = Rollup(bucket_s=detection.bucket_s, lateness_s=detection.lateness_s)
        self._lateness = timedelta(seconds=detection.lateness_s)
        self._history = timedelta(seconds=detection.history_s)
        self.bucket_s = detection.bucket_s
        self._resolution_s = 0.001
        self._events = schema.empty(schema.CONTROL)
        self._times = self._events["time"].to_physical().to_numpy()
        self._taken = 0  # rows of them that have been passed on
        self._near: list[Window] | None = None  # all windows that can touch the next bucket
        self._explained: dict[str, datetime] = {}
        self._first: datetime | None = None
        self._now: datetime = NEVER
        self._faults = signatures.selected(settings.signatures)
        self.engine = Engine(detection)
        self.ledger = Ledger(settings)
        self.inference = Inference()
        self.book = IncidentBook(detection)
        self.moments = MomentLog(self._history)
        self.exemplars = ExemplarLog(settings.redaction, formats)
        self.chronicle = Chronicle()
        self.details = DetailLog(timedelta(seconds=settings.report.context_s))
        self.counts: Counter[str] = Counter()
        self.roster = Roster()
        self.rejects = RejectLog()
        self.heads: Sequence[Digest] = ()

    @property
    def pods(self) -> set[str]:
        """The names of the pods that wrote access log entries."""
        return self.roster.pods

    @property
    def late(self) -> int:
        """Access log entries that came after their bucket had closed, and were left out."""
        return self._rollup.late

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """From the first bucket judged to the end of the last; None before any."""
        return None if self._first is None else (self._first, self._now)

    @property
    def incidents(self) -> list[Incident]:
        """All incidents still remembered, by detection, their callers named in full."""
        names = workloads(self.ledger.proxies)
        return [
            replace(one, series=[in_full(s, names) for s in one.series])
            for one in self.book.incidents
        ]

    @property
    def windows(self) -> list[Window]:
        """All reconciliation windows still remembered, by their start."""
        told = self.ledger.all_windows()
        deduced = self.inference.windows(told)
        return sorted([*told, *deduced], key=lambda window: (window.started_at, window.id))

    def add(self, batch: Batch) -> datetime | None:
        """Parse a batch and take in what it says.

        Returns:
            The event time that the batch reached, safe from single entries with a wrong clock;
            None when nothing in it has a time.
        """
        if batch.kind == "rollups":
            heard = digest.received(batch, self.bucket_s)
        else:
            parsed = self._parser.parse(batch)
            heard = digest.heard(parsed, self.bucket_s)
            self.exemplars.add(batch, parsed.access)
        self.rejects.add(batch, heard.rejects)
        self._take(heard)
        return heard.reached

    def mark(self, marks: Sequence[Mark]) -> None:
        """Let these be the changes that people announced."""
        self.ledger.mark(list(marks))
        self._near = None

    def add_events(self, events: pl.DataFrame) -> None:
        """Take in control-plane events, `pipelines.schema.CONTROL`, in any order."""
        if not events.is_empty():
            self._queue(pl.concat([self._pending, events]).sort("time", maintain_order=True))

    def advance(self, watermark: datetime) -> list[Change]:
        """Judge every bucket that ended a lateness or more before the watermark."""
        return self._close(watermark - self._lateness)

    def finish(self) -> list[Change]:
        """Judge what is left, lines cut in pieces among it; nothing more will come."""
        self._take(digest.heard(self._parser.flush(), self.bucket_s))
        newest = self._rollup.watermark
        end = timedelta(seconds=self.bucket_s) + self._lateness
        changes = [] if newest is None else self._close(newest + end)
        for incident in self.book.incidents:
            if incident.status != "resolved":
                self._explain(incident)
                self.chronicle.look(self._now, incident)
        return changes

    def snapshot(self) -> dict[str, bytes]:
        """All state by name; a worker that restores it goes on as this one would."""
        return {
            "parser": self._parser.snapshot(),
            "rollup": self._rollup.snapshot(),
            "bank": self.engine.snapshot(),
            "ledger": self.ledger.snapshot(),
            "inference": self.inference.snapshot(),
            "book": self.book.snapshot(),
            "moments": self.moments.snapshot(),
            "exemplars": self.exemplars.snapshot(),
            "chronicle": self.chronicle.snapshot(),
            "events": moment_log.packed(self._pending),
            "worker": msgspec.msgpack.encode((self._first, self._now, self._explained)),
        }

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Go on from a snapshot, before anything was added."""
        self._parser.restore(states["parser"])
        self._rollup.restore(states["rollup"])
        self.engine.restore(states["bank"])
        self.ledger.restore(states["ledger"])
        self.inference.restore(states["inference"])
        self.book.restore(states["book"])
        self.moments.restore(states["moments"])
        self.exemplars.restore(states["exemplars"])
        self.chronicle.restore(states["chronicle"])
        self._queue(moment_log.unpacked(states["events"]))
        self._first, self._now, self._explained = msgspec.msgpack.decode(
            states["worker"], type=tuple[datetime | None, datetime, dict[str, datetime]]
        )

    def _take(self, heard: Heard) -> None:
        self.heads = heard.heads
        self.rejects.merge(heard.places)
        self.exemplars.merge(heard.exemplars)
        self.counts.update(heard.counts)
        self.add_events(heard.events)
        self._rollup.merge(heard.sums)
        newcomers, writers = self.roster.take(heard.writers)
        self.add_events(newcomers)
        for one in writers:
            self.ledger.hear(one.proxy, one.time, one.workload)

    def _close(self, end: datetime) -> list[Change]:
        closed = self._rollup.close(end)
        self.moments.add(closed.moments)
        self.inference.step(closed.moments, end)
        return self._judge(closed.rollup)

    def add_rollup(self, rollup: pl.DataFrame) -> list[Change]:
        """Judge counts of whole buckets, `pipelines.schema.ROLLUP`, in order of time."""
        self._resolution_s = float(self.bucket_s)
        moments = moment_log.of_rollup(rollup)
        self.moments.add(moments)
        if not rollup.is_empty():
            end = rollup["time"].to_list()[-1] + timedelta(seconds=self.bucket_s)
            self.inference.step(moments, end)
        return self._judge(rollup)

    def _judge(self, rollup: pl.DataFrame) -> list[Change]:
        changes: list[Change] = []
        for bucket in self.engine.encode(rollup):
            changes += self._step(bucket)
        if self._now > NEVER:
            self._forget()
        return changes

    def _forget(self) -> None:
        """Drop what no incident will ask for any more."""
        self.moments.forget(self._now)
        self.exemplars.forget(self._now, self._history)
        known = {incident.id for incident in self.book.incidents}
        self._explained = {one: when for one, when in self._explained.items() if one in known}
        self.chronicle.forget(known)

    def _step(self, bucket: Bucket) -> list[Change]:
        end = bucket.start + timedelta(seconds=self.bucket_s)
        self._first = self._first or bucket.start
        self._now = end
        verdicts = self.engine.judge(bucket, self._windows_near(bucket.start, end))
        changes = self.book.step(end, verdicts, self.engine)
        changed = {change.incident.id for change in changes}
        for incident in self.book.incidents:
            last = self._explained.get(incident.id, NEVER)
            if incident.id in changed or is_due(incident, last, end):
                self._explain(incident)
            if incident.id in changed or incident.status != "resolved":
                self.chronicle.look(end, incident)
        self.chronicle.note(end, changes)
        return changes

    def _windows_near(self, start: datetime, end: datetime) -> list[Window]:
        """Let the ledger see the events before ``end``; the windows that reach beyond ``start``.

        While the ledger changes none of them, the list of the bucket before holds all of them.
        """
        limit = int(np.searchsorted(self._times, round(end.timestamp() * 1e6), side="left"))
        changed = self.ledger.step(self._events[self._taken : limit], end)
        self._taken = limit
        if changed or self._near is None:
            self._near = self.ledger.windows(start)
        return self._near

    @property
    def _pending(self) -> pl.DataFrame:
        """The events that have not been passed on."""
        return self._events[self._taken :]

    def _queue(self, events: pl.DataFrame) -> None:
        """Let these be all the events to be passed on, in order of time."""
        self._events, self._taken = events, 0
        self._times = events["time"].to_physical().to_numpy()

    def _explain(self, incident: Incident) -> None:
        """Look anew at the cause, the known fault and the exemplars of an incident."""
        since = incident.started_at - self._history
        moments = self.moments.of(incident.series, since).filter(pl.col("time") < self._now)
        windows = self.ledger.windows(since)
        case = Case(
            incident=incident,
            history=self.engine.history(incident.series, since),
            moments=moments,
            windows=windows,
            coverage=self._coverage(windows),
            resolution_s=self._resolution_s,
            now=self._now,
            first_seen=self._first or self._now,
            bucket_s=float(self.bucket_s),
        )
        incident.attribution = explain(case)
        incident.signature = signatures.match(incident, moments, windows, self._faults)
        incident.exemplars = self.exemplars.of(incident)
        self.details.note(incident, case.history, moments)
        self._explained[incident.id] = self._now

    def _coverage(self, windows: Sequence[Window]) -> dict[str, float]:
        """Share of time within windows of each kind; empty when no control plane was heard."""
        if not windows and not self.ledger.told:
            return {}
        return {kind: self.ledger.coverage(kind) for kind in get_args(WindowKind)}
