"""Giving the raw groups of closed buckets their names, bucket by bucket."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipelines import schema
from pipelines.aliases import Aliases
from pipelines.normalise import host_expr, signal_expr
from pipelines.routes import ROUTE, resolve


@dataclass(frozen=True, slots=True)
class Closed:
    """What the buckets that were closed together hold, in order of time."""

    rollup: pl.DataFrame
    """``schema.ROLLUP``."""
    moments: pl.DataFrame
    """``schema.MOMENTS``."""


def nothing() -> Closed:
    """No buckets."""
    return Closed(schema.empty(schema.ROLLUP), schema.empty(schema.MOMENTS))


def name_closed(
    counts: pl.DataFrame | None,
    moments: pl.DataFrame | None,
    aliases: Aliases,
    width_us: int,
) -> Closed:
    """Name the groups of closed buckets, learning from each bucket before the next.

    Args:
        counts: groups of ``bucket``, ``ROUTE``, code, flags and ``count``.
        moments: the same of errors, with their time, details and upstream host.
        aliases: what was learned so far; changed.
        width_us: length of a bucket in microseconds.
    """
    if counts is None or not len(counts):
        return nothing()
    moments = counts.clear() if moments is None else moments
    routes = (
        pl.concat(
            [
                counts.select("bucket", *ROUTE, "count"),
                moments.select("bucket", *ROUTE, pl.lit(0, pl.Int64).alias("count")),
            ]
        )
        .group_by("bucket", *ROUTE)
        .agg(pl.col("count").sum())
    )
    named = pl.concat(
        resolve(part.drop("bucket"), aliases, int(bucket)).with_columns(
            pl.lit(bucket, pl.Int64).alias("bucket")
        )
        for (bucket,), part in sorted(routes.partition_by("bucket", as_dict=True).items())
    )
    on = ["bucket", *ROUTE]
    counted = counts.join(named, on=on, how="left", nulls_equal=True)
    erred = moments.join(named, on=on, how="left", nulls_equal=True)
    return Closed(
        _rollup(counted, width_us), _moments(erred) if len(erred) else schema.empty(schema.MOMENTS)
    )


def _rollup(counted: pl.DataFrame, width_us: int) -> pl.DataFrame:
    time = (pl.col("bucket") * width_us).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    keys = [name for name in schema.ROLLUP if name != "count"]
    return (
        counted.with_columns(
            time.alias("time"),
            pl.when(pl.col("reporter") == "source").then("pod").alias("source_pod"),
        )
        .group_by(keys)
        .agg(pl.col("count").sum())
        .select(*schema.ROLLUP)
        .sort(keys)
    )


def _moments(erred: pl.DataFrame) -> pl.DataFrame:
    calls = pl.col("reporter") == "source"
    keys = [name for name in schema.MOMENTS if name != "count"]
    return (
        erred.with_columns(
            pl.from_epoch("millis", "ms")
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC")
            .alias("time"),
            pl.when(calls).then("pod").alias("source_pod"),
            pl.when(calls)
            .then(host_expr(pl.col("upstream_host")))
            .otherwise("pod")
            .alias("destination_pod"),
            signal_expr(pl.col("response_code"), pl.col("response_flags")).alias("signal"),
        )
        .group_by(keys)
        .agg(pl.col("count").sum())
        .select(*schema.MOMENTS)
        .sort(keys)
    )
