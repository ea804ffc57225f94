"""Where records come from: the one port that files and Kafka both fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from pipelines.batch import Batch

Offsets = Mapping[tuple[str, int], int]
"""(topic, partition) -> the offset to read next."""


class Progress(NamedTuple):
    """How far a source has read, in bytes; ``total`` is None when nobody can know."""

    read: int
    total: int | None


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Why a file, or the rest of it from ``line`` on, was not read.

    ``line`` is the number of the first line not read, from 1 as editors count; the damage lies
    before byte ``offset`` of the stored (compressed, if it is) file. Both are None when nothing
    was read.
    """

    path: str
    reason: str  # what is wrong, and what to do when that is not plain
    line: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f":{self.line}"
        byte = "" if self.offset is None else f" (before byte {self.offset})"
        return f"{self.path}{place}: {self.reason}{byte}"


class SourceError(Exception):
    """The source cannot go on: what happened, where, and what to do about it."""

    def __init__(self, what: str, *, where: str, advice: str) -> None:
        super().__init__(what, where, advice)
        self.what = what
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.advice}."


@dataclass(frozen=True, slots=True)
class Loss:
    """Records of a partition that were not read, from ``first_offset`` up to ``next_offset``."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    reason: str

    def __str__(self) -> str:
        many = self.next_offset - self.first_offset
        return (
            f"{self.topic}[{self.partition}]: {many:,} offsets from {self.first_offset} on not "
            f"read: {self.reason}"
        )


class Source(Protocol):
    """Raw values of partitions, in the order of each partition.

    An offset has three lives: read (`poll` returned it), staged (its effects are in a step) and
    committed (the store holds that step). A source knows only the first; `seek` tells it the
    last. Bad data never makes a source raise: it becomes a value for the parser to reject, or an
    entry in `problems`.
    """

    @property
    def done(self) -> bool:
        """Whether `poll` will return None for ever."""
        ...

    @property
    def problems(self) -> Sequence[FileProblem | Loss]:
        """What could not be read so far, in the order found; grows only."""
        ...

    def poll(self) -> Batch | None:
        """The next values of one partition, never empty; None when there are none at present.

        Bounded in memory. Consecutive batches of a partition join without gap or overlap:
        ``first_offset`` is the ``next_offset`` of the one before, unless a `Loss` tells why not.
        """
        ...

    def advance(self, topic: str, time: datetime) -> None:
        """Tell the event time reached in ``topic``; the source then prefers what lags behind.

        Report a time that one entry with a wrong clock cannot spoil, such as that of the last
        entry in order. It steers the order of reading only, never what is read.
        """
        ...

    def seek(self, offsets: Offsets) -> None:
        """Go on at these offsets; partitions that are not named start at their beginning."""
        ...

    def lag(self) -> int | None:
        """What is left to read, in the source's own unit (bytes, records); None if unknown."""
        ...

    def close(self) -> None:
        """Let go of all handles; `poll` returns None from now on. May be called twice."""
        ...
