"""What was read of a partition and has not been sent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from pipelines.batch import Batch, Kind, gaps
from pipelines.kafka.columns import joined


@dataclass(slots=True)
class Held:
    """Values from ``first_offset`` up to ``next_offset``, and their offsets."""

    first_offset: int
    next_offset: int
    values: list[bytes | None] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def add(self, records: Sequence[ConsumerRecord], *, in_columns: bool) -> None:
        """Take in what the client gave, at least one record."""
        if in_columns:
            values, offsets = joined(records, self.next_offset)
        else:
            values = [record.value for record in records]
            offsets = [record.offset for record in records]
        self.values += values
        self.offsets += offsets
        self.next_offset = offsets[-1] + 1

    def batch(self, partition: TopicPartition, kind: Kind) -> Batch:
        """All of it."""
        return Batch(
            topic=partition.topic,
            partition=partition.partition,
            first_offset=self.first_offset,
            next_offset=self.next_offset,
            values=self.values,
            kind=kind,
            offsets=gaps(self.offsets, self.first_offset) if self.offsets else (),
        )

    def clear(self) -> None:
        """It was sent on."""
        self.first_offset = self.next_offset
        self.values, self.offsets = [], []
