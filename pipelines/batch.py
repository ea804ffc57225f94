"""The unit that travels from a source to the parser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["access", "control-plane", "auto", "rollups"]
"""What a topic holds; rollups are what `detector.digest` makes of the others."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive raw values of one partition.

    Values, not client records, so that a faster fetch path can replace the client's own and
    nobody downstream notices. ``next_offset`` is where to read on once this batch is stored.
    A null value (a Kafka tombstone) arrives as ``None``.
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    values: Sequence[bytes | None]
    kind: Kind = "auto"
    offsets: Sequence[int] = ()
    """Of the values, where they do not follow each other from ``first_offset`` on: a topic that
    is compacted or written in transactions has gaps."""

    def offset(self, ordinal: int) -> int:
        """The offset of a value."""
        return self.offsets[ordinal] if self.offsets else self.first_offset + ordinal


def gaps(offsets: Sequence[int], first_offset: int) -> Sequence[int]:
    """What `Batch.offsets` has to be.

    >>> gaps([5, 6, 7], 5), gaps([5, 7], 5)
    ((), [5, 7])
    """
    is_joined = offsets[0] == first_offset and offsets[-1] - first_offset == len(offsets) - 1
    return () if is_joined else offsets
