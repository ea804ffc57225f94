"""How far event time has come over all partitions (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

IDLE_S = 10.0
"""A partition that has been read to its end and gave nothing for so long holds nobody back: its
pods write nothing at present."""
HOLD = timedelta(seconds=60)
"""A partition that has been read to its end holds the others back by so much at the most: what is
missing is then still with its shipper, and may be for hours."""
SILENT_S = 60.0
"""When all partitions were silent for so long, the buckets that are open are closed."""
AHEAD = timedelta(minutes=5)
"""Times further ahead of our own clock come from a wrong one."""

Partition = tuple[str, int]


class Reading(NamedTuple):
    """How reading a partition stands."""

    caught_up: bool
    quiet_s: float


class Watermarks:
    """The event time that every partition which still has something to say has reached.

    It is state: who starts again without it would take the partition that answers first for the
    one furthest behind, and what the others still hold for late.
    """

    def __init__(self) -> None:
        self._reached: dict[Partition, datetime] = {}
        self._timeless: set[Partition] = set()  # read, and no time in it that could be true

    @property
    def furthest(self) -> datetime | None:
        """The event time of the partition that is ahead of all."""
        return max(self._reached.values(), default=None)

    def heard(self, partition: Partition, time: datetime | None, now: datetime) -> None:
        """Note the event time that a batch reached.

        Args:
            partition: where the batch came from.
            time: the time it reached; None when nothing in it has one.
            now: the clock, to tell a time that cannot be.
        """
        if time is not None and time <= now + AHEAD:
            self._reached[partition] = max(time, self._reached.get(partition, time))
        else:
            self._timeless.add(partition)

    def value(self, readings: Mapping[Partition, Reading], closing: timedelta) -> datetime | None:
        """Up to where all is known; None while a partition may hold what is older than all.

        Args:
            readings: how reading each assigned partition stands.
            closing: added when all are silent, so that the open buckets close: a bucket's length
                and the lateness.
        """
        furthest = self.furthest
        if furthest is None:
            return None
        if readings and all(r.caught_up and r.quiet_s >= SILENT_S for r in readings.values()):
            return furthest + closing
        held = [furthest]
        for partition, reading in readings.items():
            time = self._reached.get(partition)
            if not reading.caught_up and time is None:
                if partition not in self._timeless:
                    return None
            elif time is not None and not reading.caught_up:
                held.append(time)
            elif time is not None and reading.quiet_s < IDLE_S:
                held.append(max(time, furthest - HOLD))
        return min(held)

    def snapshot(self) -> bytes:
        """The times reached."""
        return msgspec.msgpack.encode([(*one, time) for one, time in self._reached.items()])

    def restore(self, state: bytes) -> None:
        """Take over a snapshot."""
        rows = msgspec.msgpack.decode(state, type=list[tuple[str, int, datetime]])
        self._reached = {(topic, number): time for topic, number, time in rows}
