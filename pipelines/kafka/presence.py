"""Telling a partition to which nobody writes from one whose broker is away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition, errors

ASK_S = 4.0
"""Silence of a partition after which its broker is asked, and the pause between two questions:
less than half of the silence after which the worker takes a partition for idle."""
_WAIT_MS = 1_000


class Presence:
    """Who has confirmed of late that a silent partition holds nothing more.

    The client hides a broker that is away: it tries again and again, and `poll` is as empty as
    when there is nothing to read. What has been written meanwhile is not known then.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._asked_s = monotonic_s()
        self._unsure: dict[TopicPartition, None] = {}  # in the order of being asked

    def is_sure(self, partition: TopicPartition) -> bool:
        """Whether what the client knows of the end of a partition can be trusted."""
        return partition not in self._unsure

    def heard(self, partition: TopicPartition) -> None:
        """Note that a partition gave records."""
        self._unsure.pop(partition, None)

    def ask(self, consumer: KafkaConsumer, silences: Mapping[TopicPartition, float]) -> None:
        """Ask now and then for the ends of the partitions that are silent.

        Args:
            consumer: whose partitions they are.
            silences: seconds since each partition last gave records.
        """
        now = self._monotonic_s()
        silent = [one for one, silence_s in silences.items() if silence_s >= ASK_S]
        if not silent or now - self._asked_s < ASK_S:
            return
        self._asked_s = now
        sure = [one for one in silent if one not in self._unsure]
        unsure = [one for one in self._unsure if one in silences]
        if self._answers(consumer, sure) and unsure:
            # one without a leader spoils the answer for all that are asked for with it
            self._answers(consumer, unsure[: max(1, len(unsure) // 2)])

    def _answers(self, consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> bool:
        """Ask for some; whether there was an answer."""
        for one in partitions:
            self._unsure.pop(one, None)
        try:
            ends = consumer.end_offsets(partitions, timeout_ms=_WAIT_MS) if partitions else {}
        except (errors.KafkaTimeoutError, errors.RetriableError):
            self._unsure.update(dict.fromkeys(partitions))
            return False
        for one in partitions:
            reached = consumer.position(one, timeout_ms=0)
            if reached is None or reached < ends[one]:
                self._unsure[one] = None
        return True
