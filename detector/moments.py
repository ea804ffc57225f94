"""The recent errors with pod and millisecond: what attribution and the charts look back at."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from detector.types import Series
from pipelines import schema
from pipelines.normalise import signal_expr

MAX_ROWS = 500_000
"""Rows kept at the most, the oldest dropped first: 500,000 rows are about 60 MB."""


class MomentLog:
    """Moments of the last hours, bounded in time and rows.

    Args:
        retention: how long a moment is kept, in event time.
    """

    def __init__(self, retention: timedelta) -> None:
        self._retention = retention
        self._frames: list[pl.DataFrame] = []

    def add(self, moments: pl.DataFrame) -> None:
        """Remember a frame of `pipelines.schema.MOMENTS`."""
        if not moments.is_empty():
            self._frames.append(moments)

    def forget(self, now: datetime) -> None:
        """Drop what is older than the retention, and the oldest beyond the bound on rows."""
        if len(self._frames) > 1 or self._rows() > MAX_ROWS:
            kept = self._all().filter(pl.col("time") >= now - self._retention)
            self._frames = [kept.sort("time").tail(MAX_ROWS)]

    def of(self, series: Iterable[Series], since: datetime) -> pl.DataFrame:
        """Moments of these series' destinations and signals since a time, in order of time.

        All callers and both reporters of a destination are included: attribution contrasts those
        that suffer with those that do not.
        """
        members = list(series)
        signals = sorted({s.signal for s in members})
        destinations = {s.destination for s in members}
        chosen = pl.col("signal").is_in(signals) & (pl.col("time") >= since)
        if "*" not in destinations:
            chosen &= pl.col("destination").is_in(sorted(destinations))
        return self._all().filter(chosen).sort("time", "source_pod", "destination", "signal")

    def snapshot(self) -> bytes:
        """Everything remembered, to be stored."""
        return packed(self._all())

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot."""
        self._frames = [unpacked(state)]

    def _rows(self) -> int:
        return sum(frame.height for frame in self._frames)

    def _all(self) -> pl.DataFrame:
        return pl.concat([schema.empty(schema.MOMENTS), *self._frames])


def of_rollup(rollup: pl.DataFrame) -> pl.DataFrame:
    """Moments of counts that keep neither millisecond nor details: one row a bucket and pod.

    The time is the bucket's start; whoever uses these must allow for the bucket's length.
    """
    signal = signal_expr(pl.col("response_code"), pl.col("response_flags"))
    known = ("details", "destination_pod", "signal")
    failed = (pl.col("response_code") >= 400) | (pl.col("response_flags") != "-")
    return (
        rollup.filter(failed)  # the costly part below is for the few
        .with_columns(
            signal.alias("signal"),
            pl.lit(None, pl.String).alias("details"),
            pl.lit(None, pl.String).alias("destination_pod"),
        )
        .filter(pl.col("signal").is_not_null())
        .select(*(pl.col(c) for c in schema.MOMENTS if c in known or c in rollup.columns))
        .select(pl.col(name).cast(dtype) for name, dtype in schema.MOMENTS.items())
    )


def packed(frame: pl.DataFrame) -> bytes:
    """A frame as bytes to be stored: Arrow IPC under zstd."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def unpacked(state: bytes) -> pl.DataFrame:
    """The frame that `packed` made bytes of."""
    return pl.read_ipc(io.BytesIO(state))
