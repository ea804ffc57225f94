"""Records that were not understood, on their way to where they can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from pipelines.batch import Batch
from pipelines.kafka import DeadLetter


class Letters(Protocol):
    """Where records go that were not understood: `pipelines.kafka.DeadLetters`."""

    def send(self, letters: Sequence[DeadLetter], /) -> None:
        """Send them, some time before `flush` returns."""
        ...

    def flush(self) -> None:
        """Return when all are safe."""
        ...


def letters_of(batch: Batch, rejects: pl.DataFrame) -> list[DeadLetter]:
    """What was not understood of a batch, `pipelines.schema.REJECTS`; a message once."""
    reasons = dict(zip(rejects["ordinal"], rejects["reason"], strict=True))
    return [
        DeadLetter(
            value=batch.values[ordinal],
            reason=reason,
            topic=batch.topic,
            partition=batch.partition,
            offset=batch.offset(ordinal),
        )
        for ordinal, reason in reasons.items()
    ]
