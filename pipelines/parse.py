"""From a batch of raw messages to frames: the common shapes as columns, the rest with care."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pipelines.batch import Batch
from pipelines.careful import Collector, Parsed
from pipelines.columns import read_columns
from pipelines.envelopes import PartialJoiner, peel
from pipelines.events import plain_event, plain_line
from pipelines.formats.custom import AccessFormat
from pipelines.recognise import recognise
from pipelines.writers import Writers

__all__ = ["Parsed", "Parser"]


class Parser:
    """Reads batches. It remembers writers and unfinished lines from one batch to the next.

    For speed see the notes in ``benchmarks/parse.py``: batches of 10,000 to 30,000 messages
    are best, and glibc's allocator has to be told to keep large blocks.
    """

    def __init__(self, formats: Sequence[AccessFormat] = ()) -> None:
        self._formats = tuple(formats)
        self._joiner = PartialJoiner()
        self._writers = Writers()

    def parse(self, batch: Batch) -> Parsed:
        """Read a batch; whatever its bytes are, this does not fail.

        Rows of ``access`` are in no particular order; ``ordinal`` tells the message. Times are
        those of the log lines; whether one is absurd is for the rollup to say.
        """
        collector = Collector()
        fast: list[pl.DataFrame] = []
        odd: Sequence[int] = range(len(batch.values))
        if batch.kind != "control-plane" and not self._formats:
            columns = read_columns(batch.values, self._writers)
            odd = columns.odd()
            fast = [
                table.filter(~pl.col("probe")) if table["probe"].any() else table
                for table in columns.entries
            ]
            collector.counts.update(columns.counts)
        for ordinal in odd:
            self._read(ordinal, batch, collector)
        return collector.frames(fast)

    def flush(self) -> Parsed:
        """Read the lines that are still unfinished, as far as they go: no more input will come.

        They have no message of their own any more: ``ordinal`` counts them from 0.
        """
        collector = Collector()
        for ordinal, record in enumerate(self._joiner.flush()):
            entry = recognise(record, formats=self._formats)
            collector.add(ordinal, (record.line or "").encode(), record, entry)
        return collector.frames([])

    def snapshot(self) -> bytes:
        """The unfinished lines, to be stored."""
        return self._joiner.snapshot()

    def restore(self, state: bytes) -> None:
        """Go on with the unfinished lines of a snapshot."""
        self._joiner.restore(state)

    def _read(self, ordinal: int, batch: Batch, collector: Collector) -> None:
        value = batch.values[ordinal]
        if batch.kind == "control-plane" and value is not None:
            if (row := plain_event(value)) is not None:
                collector.add_event(row, "event")
                return
            if (row := plain_line(value)) is not None:
                collector.add_event(row, "istiod-text")
                return
        for piece in peel(value or b""):
            record = self._joiner.feed(piece)
            if record is None:
                collector.counts["partial"] += 1
            else:
                entry = recognise(record, kind=batch.kind, formats=self._formats)
                collector.add(ordinal, value, record, entry)
