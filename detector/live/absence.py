"""Which partitions their brokers do not serve, while those of others do (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from detector.live.watermarks import Partition, Reading

AWAY_S = 300.0
"""Seconds after which judging goes on without a partition: leaders are elected within seconds and
brokers restart within minutes; who waits longer hides the trouble of all other partitions."""
HEARD_S = 10.0
"""A partition that gave records so lately is served."""


class Absences:
    """Counts for how long each partition gave nothing, though it may hold more.

    Only time in which another partition gave records counts: when no broker can be reached, then
    nothing is known that could be judged, and all go on together where they were.

    Args:
        monotonic_s: seconds of a clock that never goes back.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._looked_s = monotonic_s()
        self._missed: dict[Partition, float] = {}

    def look(self, readings: Mapping[Partition, Reading]) -> None:
        """Take the time since the last look into account; to be called every few seconds."""
        now = self._monotonic_s()
        passed, self._looked_s = now - self._looked_s, now
        is_served = any(one.quiet_s < HEARD_S for one in readings.values())
        self._missed = {
            one: self._missed.get(one, 0.0) + (passed if is_served else 0.0)
            for one, reading in readings.items()
            if not reading.caught_up and reading.quiet_s >= HEARD_S
        }

    @property
    def away(self) -> dict[Partition, float]:
        """Partitions that nobody waits for any more, and the seconds that they were missed."""
        return {one: missed for one, missed in self._missed.items() if missed >= AWAY_S}
