"""Where records were not understood: a few of each reason, to be shown with file and line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from pipelines import schema
from pipelines.batch import Batch
from pipelines.source import FileProblem

PER_REASON = 3
MAX_REASONS = 100
"""Reasons are short stable codes, some twenty of them; more than this would be a defect."""

_SHOWN = 60


class Place(NamedTuple):
    """A record that fits nothing."""

    topic: str
    offset: int
    reason: str
    sample: str


def places(batch: Batch, rejects: pl.DataFrame) -> list[Place]:
    """The first of each reason in a batch, of `pipelines.schema.REJECTS`."""
    first = rejects.group_by("reason", maintain_order=True).head(PER_REASON)
    rows = first.select("ordinal", "reason", "sample").iter_rows()
    return [Place(batch.topic, batch.offset(ordinal), *told) for ordinal, *told in rows]


class RejectLog:
    """The first rejects of each reason, bounded.

    Attributes:
        first: reason -> where the first ones stand, and how they begin.
        newest: those of the last batch, `pipelines.schema.REJECTS`.
    """

    def __init__(self) -> None:
        self.first: dict[str, list[FileProblem]] = {}
        self.newest = schema.empty(schema.REJECTS)

    def add(self, batch: Batch, rejects: pl.DataFrame) -> None:
        """Look at what was not understood in a batch, `pipelines.schema.REJECTS`."""
        self.newest = rejects
        self.merge(places(batch, rejects))

    def merge(self, places: Iterable[Place]) -> None:
        """Take in what other readers did not understand."""
        for topic, offset, reason, sample in places:
            self.note(reason, FileProblem(topic, _shown(sample), offset + 1))

    def note(self, reason: str, place: FileProblem) -> None:
        """Remember one place, unless there are enough of its reason."""
        known = self.first.get(reason, [])
        if len(known) < PER_REASON and (known or len(self.first) < MAX_REASONS):
            self.first[reason] = [*known, place]


def _shown(sample: str) -> str:
    """The beginning of a sample, safe for a terminal."""
    text = sample if len(sample) <= _SHOWN else sample[:_SHOWN] + "…"
    return repr(text) if text else "empty"
