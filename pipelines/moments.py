"""Errors with their pod and millisecond, bounded: identical ones are one row with a count."""

from __future__ import annotations

import polars as pl

from pipelines.groups import MAX_NAMES, Groups
from pipelines.normalise import canonical_details, canonical_flags
from pipelines.routes import ROUTE

KEYS = (
    "bucket",
    "millis",
    *ROUTE,
    "upstream_host",
    "response_code",
    "response_flags",
    "details",
)

MAX_ROWS = 20_000
"""Rows kept per bucket before time is made coarser."""

_STEPS = (100, 1_000, 1_000)
"""Milliseconds that times are cut to at each level above the first; the last also drops hosts."""

_MAX_TOLD = 512
"""Characters of details that are looked at."""

_SLACK = 4
"""So many times ``max_rows`` may wait, over all buckets, before they are looked at."""


def canonical(errors: pl.DataFrame) -> pl.DataFrame:
    """``errors`` (rows of schema.ACCESS) with canonical flags, and ``details``."""
    flags: list[str] = []
    details: list[str | None] = []
    told = errors.select(
        "response_code",
        "response_flags",
        pl.col("response_code_details", "upstream_transport_failure_reason").str.head(_MAX_TOLD),
        "bytes_sent",
    )
    for code, printed, said, reason, sent in told.iter_rows():
        flag = canonical_flags(code, printed, said)
        flags.append(flag)
        details.append(canonical_details(said, reason, flag, sent if said is None else None))
    return errors.with_columns(
        pl.Series("response_flags", flags, pl.String), pl.Series("details", details, pl.String)
    )


def of_errors(errors: pl.DataFrame) -> pl.DataFrame:
    """Moments of errors that have ``bucket``, ``time``, ``ROUTE`` and what `canonical` gives."""
    millis = pl.col("time").dt.epoch("ms").alias("millis")
    return errors.with_columns(millis, pl.lit(1, pl.Int64).alias("count")).select(*KEYS, "count")


class Moments:
    """The errors of open buckets.

    When a bucket holds more than ``max_rows`` different moments, its times are cut to 100 ms,
    then to 1 s, and then the upstream host is left out; counts stay exact. A bucket once coarse
    stays so, and more errors only make it coarser: the order of arrival does not matter.
    """

    def __init__(self, max_rows: int = MAX_ROWS, max_names: int = MAX_NAMES) -> None:
        self._max_rows = max_rows
        self.groups = Groups(KEYS, max_names)
        self.levels: dict[int, int] = {}
        """Bucket -> how many steps coarser than a millisecond, where any."""

    def add(self, moments: pl.DataFrame) -> None:
        """Take in rows of `KEYS` and ``count``."""
        if not len(moments):
            return
        self.groups.add(moments)
        if self.groups.rows > _SLACK * self._max_rows:
            self._bound()

    def take(self, before: int) -> pl.DataFrame | None:
        """Remove and return the moments of buckets below ``before``."""
        self._bound()
        self.levels = {b: level for b, level in self.levels.items() if b >= before}
        return self.groups.take(before)

    def _bound(self) -> None:
        while (table := self.groups.summed()) is not None:
            sizes = table.group_by("bucket").len().filter(pl.col("len") > self._max_rows)
            wide = [b for b in sizes["bucket"] if self.levels.get(b, 0) < len(_STEPS)]
            for bucket in wide:
                self.levels[bucket] = self.levels.get(bucket, 0) + 1
            if self.levels:
                self.groups.replace(self._coarse(table), summed=False)
            if not wide:
                return

    def _coarse(self, table: pl.DataFrame) -> pl.DataFrame:
        level = pl.col("bucket").replace_strict(
            list(self.levels), list(self.levels.values()), default=0, return_dtype=pl.Int64
        )
        step = level.replace_strict(range(len(_STEPS) + 1), [1, *_STEPS], return_dtype=pl.Int64)
        return table.with_columns(
            pl.col("millis") // step * step,
            pl.when(level < len(_STEPS)).then("upstream_host").alias("upstream_host"),
        )
