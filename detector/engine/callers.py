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
    """Errors by caller, for each bucket of a ROLLUP frame that has any; in any order."""
    failed = rollup.filter(
        pl.col("reporter") == "source",
        pl.col("source_pod").is_not_null(),
        (pl.col("response_code") == 503) | (pl.col("response_flags") != "-"),
        pl.col("count") > 0,
    )
    # few outcomes, many rows: each outcome is read once
    outcomes = failed.select("response_code", "response_flags").unique()
    signals = outcomes.with_columns(
        signal=signal_expr(pl.col("response_code"), pl.col("response_flags"))
    ).filter(pl.col("signal").is_in(SIGNALS))
    per_caller = (
        failed.join(signals, on=["response_code", "response_flags"])
        .select(
            pl.col("time").dt.truncate(f"{bucket // timedelta(microseconds=1)}us"),
            "source",
            "destination",
            "signal",
            "source_pod",
            pl.col("count").cast(pl.Float64),
        )
        .drop_nulls()
    )
    told: dict[datetime, list[Caller]] = {}
    for time, source, destination, signal, pod, count in per_caller.iter_rows():
        series = Series("source", source, destination, signal)
        told.setdefault(time, []).append(Caller(series, pod, count))
    return told
