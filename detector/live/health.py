"""Looks at the input every so often and says what is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime

from detector import clock
from detector.conditions import Board, Condition, ConditionKind
from detector.live.clocks import Clocks
from detector.live.silence import Silences
from detector.live.status import Status
from detector.live.watermarks import Partition, Reading
from detector.worker import Worker
from pipelines.batch import Batch

LOOK_S = 30.0
LATE_SHARE = 0.01
REJECT_SHARE = 0.05
AT_LEAST = 20
"""Entries or records without which a share says nothing."""
SHOWN = 10
"""Pods with a condition each; more of them are one condition of the whole mesh."""

_NOBODY: Mapping[Partition, float] = {}

log = logging.getLogger("pushwake.data")


class Health:
    """The conditions of one worker's input.

    Args:
        worker: whose counts are looked at.
        status: how reading stands.
        behind_s: seconds of lag that are a condition.
        now: the clock.
        monotonic_s: seconds that never go back.
    """

    def __init__(
        self,
        worker: Worker,
        status: Status,
        behind_s: float,
        *,
        now: Callable[[], datetime] = clock.now,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        self._worker = worker
        self._status = status
        self._behind_s = behind_s
        self._silences = Silences()
        self._clocks = Clocks()
        self._board = Board()
        self._now = now
        self._monotonic_s = monotonic_s
        self._looked_s = monotonic_s()
        self._before: dict[str, int] | None = None

    def resume(self, known: Collection[Partition], conditions: Iterable[Condition]) -> None:
        """Go on where another process ended.

        Args:
            known: partitions that it had read.
            conditions: what was wrong then.
        """
        self._silences = Silences(known)
        self._board = Board(conditions)

    @property
    def is_news(self) -> bool:
        """Whether there is something to take."""
        return self._board.is_news

    @property
    def open(self) -> Collection[Condition]:
        """What is wrong at present."""
        return self._board.open.values()

    def hear(self, batch: Batch, newest: Iterable[tuple[str, datetime]], *, at_end: bool) -> None:
        """Note a batch.

        Args:
            batch: what was read.
            newest: pods and the time of their newest line in it.
            at_end: whether nothing is left to read behind it, so that it is of the present.
        """
        self._silences.hear((batch.topic, batch.partition), batch.kind, self._monotonic_s())
        if at_end:
            self._clocks.hear(newest, self._now())

    def look(
        self, readings: Mapping[Partition, Reading], away: Mapping[Partition, float] = _NOBODY
    ) -> None:
        """See what is wrong, if it is time to.

        Args:
            readings: how reading each partition stands.
            away: partitions that judging does not wait for any more, and since how many seconds.
        """
        if self._monotonic_s() - self._looked_s < LOOK_S:
            return
        self._looked_s = self._monotonic_s()
        self._look_for_silence(readings)
        for (topic, number), missed_s in away.items():
            name = f"{topic}[{number}]"
            text = f"partition {name} could not be read for {_span(missed_s)} while others could; "
            text += "judging goes on without it, and what it holds will come too late"
            self._see("silent", name, text, "Look at the broker that leads it")
        self._look_at_counts()
        self._look_at_clocks()
        self._look_at_lag()
        for one in self._board.settle(self._now()):
            log.info("over: %s", one.text, extra={"fields": {"condition": one.id}})

    def take(self) -> list[Condition]:
        """What changed since the last call, for the store."""
        return self._board.take()

    def _see(self, kind: ConditionKind, subject: str, text: str, advice: str) -> None:
        if self._board.see(kind, subject, text, advice, self._now()):
            fields = {"condition": f"{kind}:{subject}"}
            log.warning("%s. %s.", text, advice, extra={"fields": fields})

    def _look_for_silence(self, readings: Mapping[Partition, Reading]) -> None:
        for one in self._silences.find(readings):
            what = "topic" if one.is_topic else "partition"
            text = f"{what} {one.subject} used to give records and gave none for {_span(one[1])}"
            self._see("silent", one.subject, text, "Look at its shippers and their credentials")

    def _look_at_counts(self) -> None:
        counts = self._counts()
        before, self._before = self._before, counts
        if before is None:
            return
        new = {name: count - before.get(name, 0) for name, count in counts.items()}
        access = sum(n for name, n in new.items() if name.startswith("access/"))
        if new["late"] >= AT_LEAST and new["late"] > LATE_SHARE * access:
            text = f"{new['late']:,} of {access:,} entries came too late to be counted"
            advice = "A shipper sends its backlog, or a node's clock is behind; nothing of it is "
            self._see("late", "entries", text, advice + "judged as new")
        rejects = {name: n for name, n in new.items() if name.startswith("reject/") and n}
        records = sum(new.values()) - new["late"] - new["lost"]
        if sum(rejects.values()) >= AT_LEAST and sum(rejects.values()) > REJECT_SHARE * records:
            worst = max(rejects, key=lambda name: rejects[name]).partition("/")[2]
            text = (
                f"{sum(rejects.values()):,} of {records:,} records were not understood, "
                f"most of them: {worst}"
            )
            advice = "Try pushwake explain on one; a custom accessLogFormat goes under [formats]"
            self._see("rejects", "records", text, advice)
        if new["lost"] > 0:
            text = f"{new['lost']:,} records were gone before they were read"
            self._see("lost", "records", text, "Let the topics keep more than the longest outage")

    def _counts(self) -> dict[str, int]:
        worker = self._worker
        return dict(worker.counts) | {"late": worker.late, "lost": self._status.losses}

    def _look_at_clocks(self) -> None:
        skews = self._clocks.take()
        if len(skews) > SHOWN:
            text = f"the times of {len(skews)} pods differ from those of all others by up to "
            worst = max(abs(one.seconds) for one in skews)
            self._see("clock", "many", text + _span(worst), "Look at the clocks of their nodes")
            return
        for pod, seconds in skews:
            where = "ahead of" if seconds > 0 else "behind"
            text = f"the times of pod {pod} are {_span(abs(seconds))} {where} all others"
            advice = "Look at the clock of its node"
            late = "" if seconds > 0 else ", and at its shipper"
            self._see("clock", pod, text, advice + late)

    def _look_at_lag(self) -> None:
        status = self._status
        if not status.lag or status.event_time is None or status.phase != "live":
            return
        behind_s = (self._now() - status.event_time).total_seconds()
        if behind_s > self._behind_s:
            catch_up_s = status.catch_up_s()
            hope = "" if catch_up_s is None else f"; at this speed read in {_span(catch_up_s)}"
            text = f"reading is {_span(behind_s)} behind, {status.lag:,} records are left{hope}"
            self._see("lag", "reading", text, "Give the worker more CPU, or look at the brokers")


def _span(seconds: float) -> str:
    """Seconds in the unit that people would take.

    >>> _span(42), _span(600), _span(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
