"""What a worker leaves in the store as it goes: state and read positions, one commit a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from detector import clock
from detector.admitting import admit
from detector.conditions import Condition
from detector.engine.baselines import BaselineRows, Publisher
from detector.store import Step, Store
from detector.timeline import Entry, Notice, notices
from detector.worker import Worker
from pipelines.batch import Batch
from pipelines.source import Offsets

MARKS_KEPT = timedelta(hours=24)
"""Marks that ended longer ago explain nothing any more; their windows stay in the store."""

PUBLISH_S = 60.0
"""Between two looks at which baselines changed: for 100,000 series a look takes some 0.1 s."""


class Stateful(Protocol):
    """What has state that is to outlive the process."""

    def snapshot(self) -> bytes:
        """All of it."""
        ...

    def restore(self, state: bytes, /) -> None:
        """Take over a snapshot."""
        ...


class Record:
    """Commits a worker's steps; does nothing without a store.

    State is committed as of the last batch read, before the last buckets are closed for want of
    more input. So a later replay with more files goes on where this one stopped, and gives the
    incidents that one replay of all files would have given.

    Args:
        store: where to, if anywhere.
        worker: whose state is kept.
        every_s: seconds between two commits at the least.

    Attributes:
        resumed: whether there was an earlier state.
        conditions: of the input, to be written with the next step.
        sizes: bytes of the state by part, at the last commit.
        tell: whether people are to be told of what is found. A replay, and the past that a new
            worker reads to learn from, tell nobody; timelines are written all the same. Once
            telling begins, incidents that go on are told as if they had opened then.
    """

    def __init__(self, store: Store | None, worker: Worker, every_s: float) -> None:
        self._store = store
        self._worker = worker
        self._every_s = every_s
        self._committed_s = clock.monotonic_s()
        self._offsets: dict[tuple[str, int], int] = {}
        self.resumed = False
        self.sizes: dict[str, int] = {}
        self.conditions: Sequence[Condition] = ()
        self.tell = False
        self._kept: dict[str, Stateful] = {}
        self._notices: list[Notice] = []
        worker.chronicle.heard = self._decide
        self._rejected: dict[str, int] = {}
        self._publisher = Publisher(worker.engine)
        self._published_s = -math.inf

    def keep(self, name: str, part: Stateful) -> None:
        """Let the state of a part of the process live and return with the worker's."""
        self._kept[name] = part

    def resume(self) -> Offsets:
        """Restore the state of an earlier replay, if there is one; where to read on."""
        self._heed()
        snapshot = self._store.load() if self._store else None
        if snapshot is None or not snapshot.states:
            return {}
        self._worker.restore(snapshot.states)
        for name, part in self._kept.items():
            if name in snapshot.states:
                part.restore(snapshot.states[name])
        self.resumed = True
        return snapshot.offsets

    def baselines(self) -> None:
        """Restore only what an earlier worker has learnt, if there is anything."""
        snapshot = self._store.load() if self._store else None
        if snapshot is not None and "bank" in snapshot.states:
            self._worker.engine.restore(snapshot.states["bank"])

    def open_conditions(self) -> list[Condition]:
        """What was wrong with the input when the last process ended."""
        return self._store.conditions() if self._store else []

    def stage(self, batch: Batch) -> None:
        """Note that a batch is in the worker's state, to be committed with the next step."""
        self._offsets[batch.topic, batch.partition] = batch.next_offset

    def read(self, batch: Batch) -> None:
        """Note that a batch is in the worker's state; commit when it is time."""
        self.stage(batch)
        if clock.monotonic_s() - self._committed_s >= self._every_s:
            self.commit()

    def renew(self) -> bool:
        """Keep the lease while nothing is read; whether people told of what wants a commit."""
        if self._store is None:
            return False
        self._store.renew()
        return bool(self._store.misses())

    def commit(self) -> Offsets:
        """Write incidents, windows, state and positions in one transaction.

        Returns:
            The positions that are new in the store.
        """
        if self._store is None:
            return {}
        self._heed()
        step = self._step()
        if misses := self._store.misses():
            step = admit(step, misses, self._store.wishes().hold_back)
        states = self._worker.snapshot()
        states |= {name: part.snapshot() for name, part in self._kept.items()}
        self._store.commit(replace(step, states=states, offsets=self._offsets))
        self.conditions = ()
        self.sizes = {name: len(state) for name, state in states.items()}
        written, self._offsets = self._offsets, {}
        self._committed_s = clock.monotonic_s()
        return written

    def close(self) -> None:
        """Write what the last buckets, closed at the end of all input, have brought."""
        if self._store is not None:
            self._published_s = -math.inf
            self._store.commit(self._step())

    def _heed(self) -> None:
        """Let the worker know what people announced and what they expect."""
        if self._store is not None:
            self._worker.mark(self._store.marks(since=clock.now() - MARKS_KEPT))
            self._worker.book.expectations = self._store.wishes().expectations

    def _step(self) -> Step:
        """What is new since the last step, but for state and read positions."""
        told, self._notices = self._notices, []
        period = self._worker.period
        return Step(
            incidents=self._worker.incidents,
            windows=self._worker.windows,
            conditions=self.conditions,
            ledger=self._worker.ledger.take_rows(),
            baselines=self._baselines(),
            entries=self._worker.chronicle.take(),
            notices=told,
            foreseen=self._worker.book.take_foreseen(),
            details=self._worker.details.take(),
            rejects=self._rejects(),
            first=period[0] if period else None,
            time=period[1] if period else None,
        )

    def _rejects(self) -> dict[str, int]:
        """What was not understood since the last step, by reason."""
        prefix = "reject/"
        counts = self._worker.counts
        total = {name: n for name, n in counts.items() if name.startswith(prefix)}
        new = {name: n - self._rejected.get(name, 0) for name, n in total.items()}
        self._rejected = total
        return {name.removeprefix(prefix): n for name, n in new.items() if n}

    def _baselines(self) -> BaselineRows | None:
        """The baselines that changed, when it is time to look."""
        if clock.monotonic_s() - self._published_s < PUBLISH_S:
            return None
        self._published_s = clock.monotonic_s()
        return self._publisher.take()

    def _decide(self, entries: Sequence[Entry]) -> None:
        """Decide at the end of a bucket what of it is told, as all was then."""
        if self._store is None or not self.tell:
            return
        if not entries and all(one.status == "resolved" for one in self._worker.book.incidents):
            return
        pending = {one.document.id for one in self._notices}
        stored = self._store.told
        self._notices += notices(
            entries,
            self._worker.incidents,
            told=lambda asked: pending.intersection(asked) | stored(asked),
            held=self._store.wishes().hold_back,
        )
