"""Which partitions are read, and from where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kafka import KafkaConsumer, TopicPartition

from pipelines.batch import Kind
from pipelines.source import Offsets, SourceError

AWAIT_S = 2.0
"""Between two looks for topics that others are to make."""
Place = tuple[str, int]
"""Topic and number of a partition."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Which topics to read, by name or by pattern (a name that starts with ``^``).

    With ``rollups``, others read all but the control plane's topics and write what they count to
    topics of the same names with this suffix: those are read instead.
    """

    kinds: Mapping[str, Kind]
    rollups: str = ""

    def kind(self, topic: str) -> Kind | None:
        """What a topic gives; None when it is not to be read."""
        if not self.rollups:
            return self.holds(topic)
        if self.is_relayed(topic.removesuffix(self.rollups)):
            return "rollups" if topic.endswith(self.rollups) else None
        return self.holds(topic)

    def is_relayed(self, topic: str) -> bool:
        """Whether a topic is one whose records others count."""
        is_ours = bool(self.rollups) and not topic.endswith(self.rollups)
        return is_ours and self.holds(topic) in ("access", "auto")

    def holds(self, topic: str) -> Kind | None:
        """What a topic holds by its name, whoever reads it. Exact names come before patterns."""
        if topic in self.kinds:
            return self.kinds[topic]
        for name, kind in self.kinds.items():
            if name.startswith("^") and re.search(name, topic):
                return kind
        return None

    def named(self) -> list[str]:
        """Topics that have to exist; those of rollups are made by who writes them."""
        names = [name for name in self.kinds if not name.startswith("^")]
        return [name for name in names if not self.is_relayed(name)]

    def partitions(self, consumer: KafkaConsumer) -> dict[TopicPartition, Kind]:
        """Every partition there is of what is to be read, with what it holds.

        Raises:
            SourceError: a named topic does not exist.
        """
        existing = consumer.topics()
        missing = [name for name in self.named() if name not in existing]
        if missing:
            raise SourceError(
                "this topic does not exist",
                where=", ".join(missing),
                advice="Create it or correct kafka.topics; a pattern (^NAME$) waits for it instead",
            )
        found: dict[TopicPartition, Kind] = {}
        for topic in sorted(existing):
            if (kind := self.kind(topic)) is not None:
                numbers = consumer.partitions_for_topic(topic) or ()
                found.update({TopicPartition(topic, number): kind for number in sorted(numbers)})
        return found

    def awaited(self, consumer: KafkaConsumer, found: Iterable[TopicPartition]) -> list[Place]:
        """Partitions of rollups that are not there, while the topic that they are of is."""
        known = {(one.topic, one.partition) for one in found}
        there = [
            (topic + self.rollups, number)
            for topic in sorted(consumer.topics())
            if self.is_relayed(topic)
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        return [one for one in there if one not in known]


def beginnings(
    consumer: KafkaConsumer,
    partitions: Sequence[TopicPartition],
    offsets: Offsets,
    start: str | datetime,
) -> dict[TopicPartition, int]:
    """Where to begin with partitions: at their offset if they have one, otherwise at ``start``."""
    found = {
        one: offsets[one.topic, one.partition]
        for one in partitions
        if (one.topic, one.partition) in offsets
    }
    new = [one for one in partitions if one not in found]
    if not new:
        return found
    if start == "earliest":
        return found | dict(consumer.beginning_offsets(new))
    ends = dict(consumer.end_offsets(new))
    if isinstance(start, datetime):
        stamp = round(start.timestamp() * 1000)
        times = consumer.offsets_for_times(dict.fromkeys(new, stamp))
        ends |= {one: place.offset for one, place in times.items() if place is not None}
    return found | ends
