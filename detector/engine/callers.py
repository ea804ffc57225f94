"""Which proxies told of errors of reconciliation: what `detector.engine.aligned` looks at.

Baselines count over all proxies of a workload; only the few rows with such errors are split by
proxy here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from detector.types import Series
from pipelines.normalise import signal_expr

SIGNALS = ("NR", "NC", "UH", "UF", "503")
"""What a proxy shows for the seconds in which it takes on configuration."""


class Caller(NamedTuple):
    """Errors of one series that one proxy told of."""

    series: Series
    pod: str
    errors: float


def by_bucket(rollup: pl.DataFrame, bucket: timedelta) -> Mapping[datetime, list[Caller]]:
    """Errors by caller, for each bucket of a ROLLUP frame that has any; in order of names."""
    failed = rollup.lazy().filter(
        pl.col("source_pod").is_not_null(),
        pl.col("source").is_not_null(),
        pl.col("destination").is_not_null(),
        pl.col("reporter") == "source",
        (pl.col("response_code") == 503) | (pl.col("response_flags") != "-"),
        pl.col("count") > 0,
    )
    per_caller = (
        failed.select(
            pl.col("time").dt.truncate(f"{bucket // timedelta(microseconds=1)}us"),
            "source",
            "destination",
            "source_pod",
            "count",
            signal=signal_expr(pl.col("response_code"), pl.col("response_flags")),
        )
        .filter(pl.col("signal").is_in(SIGNALS), pl.col("time").is_not_null())
        .group_by("time", "source", "destination", "signal", "source_pod")
        .agg(pl.col("count").sum())
        .sort("time", "source", "destination", "signal", "source_pod")
        .collect()
    )
    told: dict[datetime, list[Caller]] = {}
    for time, source, destination, signal, pod, count in per_caller.iter_rows():
        series = Series("source", source, destination, signal)
        told.setdefault(time, []).append(Caller(series, pod, float(count)))
    return told
