"""The errors that an incident is about, as one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from detector.types import Series
from models import coincidence
from models.alignment import Floats
from pipelines.schema import MOMENTS

CLIENT_SIGNALS = frozenset({"400", "401", "403", "404", "429", "DC"})
"""Signals that clients bring about by themselves."""

HISTORY: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Datetime("us", "UTC"),
    "reporter": pl.String,
    "source": pl.String,
    "destination": pl.String,
    "signal": pl.String,
    "errors": pl.Float64,
    "requests": pl.Float64,
    "expected": pl.Float64,
}
"""Buckets with errors, as attribution wants them (``time`` is the bucket's start)."""

_LEAD_S = 120.0  # errors this long before the incident's estimated start are looked at too
_MOST_ROWS = 20_000
_ROOT_SHARE = 0.1  # flagged errors are the root of the others when they are this share of all

_COLUMNS = (
    "time", "reporter", "source", "source_pod", "destination", "destination_pod", "signal",
    "response_code", "details",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors that an incident is about, its root errors only, above their baseline.

    A fault far down the call chain shows as unflagged 5xx on every proxy above; the flag stands
    only where it happened. So codes count only when no flag does, and client signals last.

    Attributes:
        frame: one row per error or group of equal errors, by time: the columns of schema.MOMENTS
            that matter, ``at`` (epoch seconds), ``weight`` (errors above the baseline), ``proxy``
            ("pod" or "pod.namespace" of the proxy that reported it, null when nobody tells),
            ``namespace`` (of that proxy).
        resolution_s: how exactly ``at`` is known.
        onset: when the excess began, epoch seconds.
        end: when 97 % of the errors had come, epoch seconds; stray ones follow every fault.
        destinations: those with more than a twentieth of the errors, or a quarter of those of the
            most affected one, which comes first.
    """

    frame: pl.DataFrame
    resolution_s: float
    onset: float
    end: float
    destinations: tuple[str, ...] = ()

    @property
    def at(self) -> Floats:
        """Time of each error, epoch seconds; the middle of its bucket when only that is known."""
        return self.frame["at"].to_numpy()

    @property
    def weight(self) -> Floats:
        """Errors above the baseline in each row."""
        return self.frame["weight"].to_numpy()

    @property
    def total(self) -> float:
        """Errors above the baseline in all."""
        return float(self.weight.sum())

    @property
    def rate(self) -> float:
        """Errors per second between onset and end."""
        return self.total / max(self.end - self.onset, 1.0)


def gather(
    series: Sequence[Series],
    history: pl.DataFrame,
    moments: pl.DataFrame,
    *,
    since: datetime,
    until: datetime,
    resolution_s: float,
    bucket_s: float,
) -> Errors:
    """The root errors of these series between ``since`` (less two minutes) and ``until``.

    From ``moments`` when they hold any, else from the buckets of ``history``, which know no
    proxies. Each counts for the share of its bucket's errors that exceeds the expectation.
    """
    first = since - timedelta(seconds=_LEAD_S)
    every = f"{round(bucket_s * 1e6)}us"
    recent = pl.col("time").is_between(first - timedelta(seconds=bucket_s), until)
    surplus = _surplus(history.filter(recent), every)
    rows = _members(moments, series).filter(pl.col("time").is_between(first, until))
    if rows.is_empty():
        rows = _of_history(history.filter(pl.col("time").is_between(first, until)))
        resolution_s = bucket_s
    weighed = rows.with_columns(pl.col("time").dt.truncate(every).alias("bucket")).join(
        surplus, on=["bucket", "signal"], how="left"
    )
    root = _thinned(_root(_placed(weighed, resolution_s / 2 if resolution_s >= 1.0 else 0.0)))
    if root.is_empty():
        return Errors(root, resolution_s, onset=first.timestamp(), end=until.timestamp())
    usual = _usual(history).join(root.select("signal").unique(), on="signal", how="semi")
    onset, end = _extent(root, float(usual["usual"].sum()) / bucket_s)
    return Errors(root, resolution_s, onset, end, _destinations(root))


def _of_history(history: pl.DataFrame) -> pl.DataFrame:
    """Buckets in the place of moments: what they do not know is null."""
    known = [
        pl.col(name) if name in history.columns else pl.lit(None, MOMENTS[name]).alias(name)
        for name in _COLUMNS
    ]
    return history.select(*known, pl.col("errors").alias("count"))


def _placed(rows: pl.DataFrame, middle_s: float) -> pl.DataFrame:
    """The columns of `Errors.frame` from moments with the ``share`` that counts, by time."""
    at = pl.col("time").dt.epoch("us") / 1e6
    inbound = pl.col("reporter") == "destination"
    named = pl.when(inbound).then("destination").otherwise("source").str.split(".")
    return (
        rows.select(
            *_COLUMNS,
            (at + middle_s).cast(pl.Float64).alias("at"),
            (pl.col("count") * pl.col("share").fill_null(1.0)).cast(pl.Float64).alias("weight"),
            pl.when(inbound).then("destination_pod").otherwise("source_pod").alias("proxy"),
            named.list.get(1, null_on_oob=True).alias("namespace"),
        )
        .filter(pl.col("weight") > 0.0)
        .sort(["at", "reporter", "source", "destination", "signal", "proxy"])
    )


def _thinned(root: pl.DataFrame) -> pl.DataFrame:
    """Every n-th row for n: an outage of hours tells no more by its millionth error."""
    every = -(-root.height // _MOST_ROWS)
    return root.gather_every(every).with_columns(pl.col("weight") * every) if every > 1 else root


def _destinations(root: pl.DataFrame) -> tuple[str, ...]:
    weight = pl.col("weight")
    ranked = (
        root.group_by("destination")
        .agg(pl.col("weight").sum())
        .filter((weight >= 0.05 * weight.sum()) | (weight >= 0.25 * weight.max()))
        .sort(["weight", "destination"], descending=[True, False])
    )
    return tuple(str(name) for name in ranked["destination"])


def _usual(history: pl.DataFrame) -> pl.DataFrame:
    """Errors per bucket that the baselines expect of each signal, over all its series.

    The history only holds buckets with errors, so the sum over those present would be too low.
    """
    return (
        history.group_by("reporter", "source", "destination", "signal")
        .agg(pl.col("expected").mean())
        .group_by("signal")
        .agg(pl.col("expected").sum().alias("usual"))
    )


def _extent(root: pl.DataFrame, quiet_rate: float) -> tuple[float, float]:
    at, weight = root["at"].to_numpy(), root["weight"].to_numpy()
    done = np.cumsum(weight)
    last = min(int(np.searchsorted(done, 0.97 * done[-1])), done.size - 1)
    return coincidence.first_excess(at, weight, quiet_rate=quiet_rate), float(at[last])


def _surplus(history: pl.DataFrame, every: str) -> pl.DataFrame:
    """Share of the errors above expectation per bucket and signal.

    0 where they are within 2 sigma of it, or a single error although other buckets hold many:
    stray errors before the onset and after the end are not the fault's.
    """
    errors, expected = pl.col("errors"), pl.col("expected")
    stray = (errors < 2.0) & (errors.max().over("signal") >= 4.0)
    return (
        history.group_by(pl.col("time").dt.truncate(every).alias("bucket"), "signal")
        .agg(errors.sum(), expected.sum())
        .join(_usual(history), on="signal")
        .with_columns(pl.max_horizontal("expected", "usual").alias("expected"))
        .with_columns(
            pl.when((errors > expected + 2.0 * expected.sqrt()) & ~stray)
            .then((errors - expected) / errors)
            .otherwise(0.0)
            .alias("share")
        )
        .select("bucket", "signal", "share")
    )


def _members(moments: pl.DataFrame, series: Sequence[Series]) -> pl.DataFrame:
    """The rows of these series; "*" in a series stands for anything."""
    exact = [one for one in series if "*" not in one]
    wild = [one for one in series if "*" in one]
    keys = ["reporter", "source", "destination", "signal"]
    wanted = pl.DataFrame(exact, schema=dict.fromkeys(keys, pl.String), orient="row")
    if not wild:
        return moments.join(wanted, on=keys, how="semi")
    match = pl.lit(value=False)
    for one in wild:
        named = [pl.col(key) == value for key, value in zip(keys, one, strict=True) if value != "*"]
        match = match | pl.all_horizontal(named)
    found = moments.with_row_index("row")
    rows = found.filter(match)["row"].append(found.join(wanted, on=keys, how="semi")["row"])
    return found.filter(pl.col("row").is_in(rows.unique().implode())).drop("row")


def _root(frame: pl.DataFrame) -> pl.DataFrame:
    code, client = pl.col("signal").str.contains(r"^\d+$"), pl.col("signal").is_in(CLIENT_SIGNALS)
    total = float(frame["weight"].sum())
    for tier in (frame.filter(~code & ~client), frame.filter(~client)):
        if total > 0.0 and float(tier["weight"].sum()) >= _ROOT_SHARE * total:
            return tier
    return frame
