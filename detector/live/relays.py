"""What rollup workers tell of the partitions that they read for the worker that judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detector import clock
from detector.digest import Digest
from detector.live.rolling import HEARTBEAT_S
from detector.live.watermarks import Partition, Reading
from pipelines.batch import Batch

GONE_S = 4 * HEARTBEAT_S
"""A partition of which no rollup worker has said anything for so long may hold what nobody has
read yet, so it holds the others back as one that is behind does."""


@dataclass(slots=True)
class _Told:
    at_end: bool
    spoke_s: float  # when something was read of it last


class Relays:
    """Remembers, of each partition of digests, how reading what they are of stands.

    It is no state: rollup workers say all of it again within seconds.

    Args:
        suffix: of the topics that hold digests; empty when there are none.
        monotonic_s: seconds of a clock that never goes back.
    """

    def __init__(self, suffix: str, monotonic_s: Callable[[], float] = clock.monotonic_s) -> None:
        self._suffix = suffix
        self._monotonic_s = monotonic_s
        self._told: dict[Partition, _Told] = {}

    def hear(self, batch: Batch, heads: Sequence[Digest]) -> bool:
        """Note a batch.

        Args:
            batch: what was read here.
            heads: the digests in it.

        Returns:
            Whether it holds records; digests of none only tell that nothing is left to read.
        """
        if not self._is_relayed(batch.topic):
            return True
        if not heads:
            return False
        place = (batch.topic, batch.partition)
        is_news = any(one.next_offset > one.first_offset for one in heads)
        known = self._told.get(place)
        spoke_s = self._monotonic_s() if is_news or known is None else known.spoke_s
        self._told[place] = _Told(heads[-1].at_end, spoke_s)
        return is_news

    def reading(self, place: Partition, here: Reading) -> Reading:
        """How reading a partition stands, those who read it for us included.

        Args:
            place: the partition.
            here: how reading it stands.
        """
        if not self._is_relayed(place[0]):
            return here
        told = self._told.get(place)
        if told is None:
            return Reading(caught_up=False, quiet_s=here.quiet_s)
        is_sure = told.at_end and here.quiet_s < GONE_S
        return Reading(here.caught_up and is_sure, self._monotonic_s() - told.spoke_s)

    def _is_relayed(self, topic: str) -> bool:
        return bool(self._suffix) and topic.endswith(self._suffix)
