"""The unit that travels from a source to the parser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["access", "control-plane", "auto"]


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
