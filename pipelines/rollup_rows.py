"""Rows of rollups as files have them to rows of `schema.ROLLUP`, or to rejects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from pipelines.schema import ROLLUP, TIME, empty

REQUIRED = tuple(name for name in ROLLUP if name != "source_pod")
TEXTS = ("reporter", "source", "source_pod", "destination", "response_flags")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Outside of these a time is a mistake of its unit, not a time."""

BAD_TIME = "bad-time"
_MAX_CODE = 999  # 0 is a TCP connection, which has none


class Rows(NamedTuple):
    """``good`` has the schema of rollups; ``bad`` the columns line and reason."""

    good: pl.DataFrame
    bad: pl.DataFrame


def time_of(dtype: pl.DataType) -> pl.Expr:
    """The column ``time`` of any dtype as UTC; null where it holds no time of this century.

    Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by
    their magnitude; texts are RFC 3339 (UTC when they name no zone) or such a number.
    """
    column = pl.col("time")
    if isinstance(dtype, pl.Datetime):
        micros = column.dt.cast_time_unit("us")
        utc = micros.dt.convert_time_zone("UTC")
        time = micros.dt.replace_time_zone("UTC") if dtype.time_zone is None else utc
    elif dtype.is_numeric():
        time = _from_epoch(column)
    elif dtype == pl.String:
        time = pl.coalesce(_from_epoch(column), _from_text(column))
    else:
        time = pl.lit(None, TIME)
    return pl.when(time.is_between(EARLIEST, LATEST, closed="left")).then(time)


def typed(frame: pl.DataFrame, bucket_s: int) -> Rows:
    """Check and convert rows.

    Args:
        frame: ``line``, ``time`` (UTC, null when bad) and the rollup's columns of any dtype that
            can be such a column; ``source_pod`` may be missing.
        bucket_s: times are cut down to multiples of it.
    """
    if "source_pod" not in frame.columns:
        frame = frame.with_columns(source_pod=pl.lit(None, pl.String))
    texts = [pl.col(name).cast(pl.String) for name in TEXTS]
    frame = frame.with_columns(
        *texts,
        time_of(frame.schema["time"]).dt.truncate(f"{bucket_s}s").alias("time"),
        _whole("response_code", frame).cast(pl.Int32, strict=False),
        _whole("count", frame),
    )
    frame = frame.with_columns(reason=_reason())
    bad = frame.filter(pl.col("reason").is_not_null()).select("line", "reason")
    good = frame.filter(pl.col("reason").is_null() & (pl.col("count") > 0))
    if good.is_empty():
        return Rows(empty(ROLLUP), bad)
    good = good.with_columns(
        _or_unknown("source"),
        _or_unknown("destination"),
        pl.col("source_pod").replace("", None),
        _canonical_flags(good["response_flags"].fill_null("-")),
    )
    return Rows(good.select(list(ROLLUP)).cast(pl.Schema(ROLLUP)), bad)


def _from_epoch(column: pl.Expr) -> pl.Expr:
    number = column.cast(pl.Float64, strict=False)
    micros = (
        pl.when(number < 1e11)
        .then(number * 1e6)
        .when(number < 1e14)
        .then(number * 1e3)
        .when(number < 1e17)
        .then(number)
        .otherwise(number / 1e3)
    )
    return micros.round().cast(pl.Int64, strict=False).cast(TIME)


def _from_text(column: pl.Expr) -> pl.Expr:
    text = column.str.strip_chars().str.replace(r" ?UTC$", "Z")
    has_zone = text.str.contains(r"(?i)(?:z|[+-]\d\d:?\d\d)$")
    zoned = pl.when(has_zone).then(text).otherwise(text + "Z")
    return zoned.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _whole(name: str, frame: pl.DataFrame) -> pl.Expr:
    """A count or code; fractions, as rates scraped elsewhere have them, are rounded."""
    if frame.schema[name].is_integer():
        return pl.col(name).cast(pl.Int64, strict=False)
    number = pl.col(name).cast(pl.Float64, strict=False)
    return number.round().cast(pl.Int64, strict=False).alias(name)


def _reason() -> pl.Expr:
    code = pl.col("response_code")
    return (
        pl.when(pl.col("time").is_null())
        .then(pl.lit(BAD_TIME))
        .when(~pl.col("reporter").is_in(["source", "destination"]).fill_null(value=False))
        .then(pl.lit("bad-reporter"))
        .when(~code.is_between(0, _MAX_CODE).fill_null(value=False))
        .then(pl.lit("bad-response-code"))
        .when(~(pl.col("count") >= 0).fill_null(value=False))
        .then(pl.lit("bad-count"))
    )


def _or_unknown(name: str) -> pl.Expr:
    return pl.col(name).replace("", None).fill_null("unknown")


def _canonical_flags(flags: pl.Series) -> pl.Series:
    """Sorted, each once, ``-`` when there are none. Few distinct texts stand for many rows."""
    spellings = {}
    for text in flags.unique().to_list():
        names = sorted({name.strip() for name in text.split(",")} - {"", "-"})
        spellings[text] = ",".join(names) or "-"
    return flags.replace(spellings)
