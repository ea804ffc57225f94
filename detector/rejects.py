"""Where records were not understood: a few of each reason, to be shown with file and line."""

from __future__ import annotations

import polars as pl

from pipelines import schema
from pipelines.batch import Batch
from pipelines.source import FileProblem

PER_REASON = 3
MAX_REASONS = 100
"""Reasons are short stable codes, some twenty of them; more than this would be a defect."""

_SHOWN = 60


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
        for row in rejects.group_by("reason", maintain_order=True).head(PER_REASON).to_dicts():
            line = batch.offset(row["ordinal"]) + 1
            self.note(row["reason"], FileProblem(batch.topic, _shown(row["sample"]), line))

    def note(self, reason: str, place: FileProblem) -> None:
        """Remember one place, unless there are enough of its reason."""
        known = self.first.get(reason, [])
        if len(known) < PER_REASON and (known or len(self.first) < MAX_REASONS):
            self.first[reason] = [*known, place]


def _shown(sample: str) -> str:
    """The beginning of a sample, safe for a terminal."""
    text = sample if len(sample) <= _SHOWN else sample[:_SHOWN] + "…"
    return repr(text) if text else "empty"
