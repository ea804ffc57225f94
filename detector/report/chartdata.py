"""The frames behind the charts and their tables; bounded, whatever comes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy.special import pdtr, pdtrik

from detector.report.phrases import clean
from detector.types import Incident, Window
from models.contract import Floats
from pipelines.schema import TIME

REACH_S = 30  # the alignment chart looks this far to both sides of a proxy's reconnect
BINS_S = (1, 10, 60, 300, 1_800, 7_200, 86_400)
UPPER = 0.999
MAX_BINS = 240  # bars stay wider than a pixel on a phone
MAX_SIGNALS = 6  # as many colours as the eye keeps apart
OTHER = "others"


@dataclass(frozen=True, slots=True)
class Span:
    """The stretch of time that a chart shows, and the width of its bins."""

    start: datetime
    end: datetime
    bin_s: int


def span_of(incident: Incident, moments: pl.DataFrame, bucket_s: int) -> Span:
    """The incident with a quarter of its length (at least 15 s) before and after it.

    Without moments no bin is narrower than a bucket.
    """
    last = incident.ended_at or incident.last_alarm_at or incident.detected_at
    seen = moments["time"].max()
    if incident.ended_at is None and isinstance(seen, datetime):
        last = max(last, seen)
    length = max(timedelta(seconds=1), last - incident.started_at)
    pad = max(timedelta(seconds=15), length / 4)
    least = 1 if moments.height else bucket_s
    width = (length + 2 * pad).total_seconds()
    fitting = (b for b in BINS_S if b >= least and width / b <= MAX_BINS)
    bin_s = next(fitting, BINS_S[-1])
    start = (incident.started_at - pad).timestamp() // bin_s * bin_s
    begin = datetime.fromtimestamp(start, tz=incident.started_at.tzinfo)
    return Span(begin, last + pad, bin_s)


def _fewer_signals(frame: pl.DataFrame) -> pl.DataFrame:
    """All but the most frequent signals renamed to ``others``; names cleaned."""
    top = frame.group_by("signal").agg(pl.col("errors").sum()).sort("errors", "signal")
    keep = top["signal"].tail(MAX_SIGNALS).to_list()
    named = {name: clean(name, 24) for name in keep}
    new = pl.col("signal").replace_strict(named, default=OTHER, return_dtype=pl.String)
    return frame.with_columns(signal=new)


def error_bins(history: pl.DataFrame, moments: pl.DataFrame, span: Span) -> pl.DataFrame:
    """Errors per bin and signal (``time``, ``signal``, ``errors``), bins without errors left out.

    Counted from the moments; from the buckets of the history where no moments were kept.
    """
    rows = moments.select("time", "signal", errors="count")
    if rows.is_empty():
        rows = history.select("time", "signal", "errors").cast({"errors": pl.Int64})
    rows = rows.filter(pl.col("time").is_between(span.start, span.end), pl.col("errors") > 0)
    return (
        _fewer_signals(rows)
        .group_by(pl.col("time").dt.truncate(f"{span.bin_s}s"), "signal")
        .agg(pl.col("errors").sum())
        .sort("time", "signal")
    )


def expected_bins(history: pl.DataFrame, span: Span, bucket_s: int) -> pl.DataFrame:
    """What the baselines expect per bin: ``time``, ``expected`` and ``upper``.

    The history holds only buckets with errors, so a series that had none in a bucket is taken
    at its median there. ``upper`` is the 99.9 % quantile of a Poisson count with that mean:
    999 of 1,000 bins stay below it if errors come singly.
    """
    series = ["reporter", "source", "destination", "signal"]
    level = history.group_by(series).agg(pl.col("expected").median())["expected"].sum()
    slot_s = max(bucket_s, span.bin_s)
    slot = pl.col("time").dt.truncate(f"{slot_s}s")
    slots = (
        history.with_columns(beyond=pl.col("expected") - pl.col("expected").median().over(series))
        .group_by(slot=slot)
        .agg(pl.col("beyond").sum())
    )
    times = pl.datetime_range(
        span.start, span.end, f"{span.bin_s}s", time_unit="us", time_zone="UTC", eager=True
    )
    frame = times.alias("time").to_frame().with_columns(slot=slot)
    frame = frame.join(slots, on="slot", how="left", maintain_order="left")
    mean = (level * slot_s / bucket_s + pl.col("beyond").fill_null(0.0)) * span.bin_s / slot_s
    frame = frame.select("time", expected=pl.max_horizontal(pl.lit(0.0), mean))
    return frame.with_columns(upper=pl.Series(_upper(frame["expected"].to_numpy())))


def _upper(mean: Floats) -> Floats:
    """The least count that a Poisson law of this mean stays at or below 999 times of 1,000.

    As `scipy.stats.poisson.ppf`, whose module alone is a third of the start of a process.
    """
    mean = np.maximum(mean, 1e-12)
    above = np.ceil(pdtrik(UPPER, mean))
    below = np.maximum(above - 1.0, 0.0)
    return np.asarray(np.where(pdtr(below, mean) >= UPPER, below, above))


def window_of(incident: Incident, windows: Sequence[Window]) -> Window | None:
    """The window to align an incident with: the attributed one, else the fullest that overlaps."""
    told = incident.attribution.window
    if told is not None:
        return told
    end = incident.ended_at or incident.last_alarm_at or incident.detected_at
    near = overlapping(windows, incident.started_at - timedelta(seconds=REACH_S), end)
    return max((w for w in near if w.reconciled), key=lambda w: len(w.reconciled), default=None)


def overlapping(windows: Sequence[Window], start: datetime, end: datetime) -> list[Window]:
    """The windows that share time with ``start`` to ``end``, in time order."""
    touching = [w for w in windows if w.started_at <= end and (w.ended_at or end) >= start]
    return sorted(touching, key=lambda w: w.started_at)


def aligned(moments: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Every error with its proxy and its distance from that proxy's own reconnect.

    Returns:
        ``time``, ``proxy`` ("pod.namespace" of the reporting side, null when unknown),
        ``signal``, ``errors`` and ``offset_s`` (negative before the reconnect, null when the
        proxy has no known time).
    """
    reports_source = pl.col("reporter") == "source"
    pod = pl.when(reports_source).then("source_pod").otherwise("destination_pod")
    of_source = pl.col("source").str.extract(r"\.([^.]+)$")
    of_destination = pl.col("destination").str.extract(r"^[^.]+\.([^.]+)")
    namespace = pl.when(reports_source).then(of_source).otherwise(of_destination)
    full = pl.concat_str(pod, namespace, separator=".")
    named = {*moments.select(full=full)["full"], *moments.select(pod=pod)["pod"]}
    known = {proxy: at for proxy, at in window.reconciled.items() if proxy in named}
    often = Counter(proxy.rpartition(".")[0] for proxy in window.reconciled)
    lone = {
        bare: at
        for proxy, at in window.reconciled.items()
        if (bare := proxy.rpartition(".")[0]) in named and often[bare] == 1
    }
    at = pl.coalesce(
        _lookup(full, known),
        _lookup(pod, known),
        pl.when(namespace.is_null()).then(_lookup(pod, lone)),
    )
    offset = (pl.col("time") - at).dt.total_microseconds() / 1e6
    proxy = pl.coalesce(full, pod)
    return moments.select("time", "signal", proxy=proxy, errors="count", offset_s=offset)


def _lookup(key: pl.Expr, times: dict[str, datetime]) -> pl.Expr:
    return key.replace_strict(list(times), list(times.values()), default=None, return_dtype=TIME)


def offset_bins(rows: pl.DataFrame) -> pl.DataFrame:
    """Errors per second around the reconnects (``second``, ``signal``, ``errors``)."""
    near = rows.filter(pl.col("offset_s") >= -REACH_S, pl.col("offset_s") < REACH_S)
    second = pl.col("offset_s").floor().cast(pl.Int32)
    return (
        _fewer_signals(near)
        .group_by(second=second, signal="signal")
        .agg(pl.col("errors").sum())
        .sort("second", "signal")
    )


@dataclass(frozen=True, slots=True)
class Matrix:
    """Errors by caller and service, largest first; the rest only counted."""

    columns: list[str]
    rows: list[tuple[str, list[int]]]
    more_columns: int
    more_rows: int


def affected(history: pl.DataFrame, moments: pl.DataFrame, most: tuple[int, int]) -> Matrix:
    """Who called what in vain: pods (or workloads, without moments) by service.

    Args:
        history: buckets with errors.
        moments: single errors, empty when none were kept.
        most: how many rows and columns to keep.
    """
    if moments.is_empty():
        cells = history.select("destination", caller="source", errors=pl.col("errors"))
    else:
        nobody = pl.when(pl.col("source") == "unknown").then(pl.lit("unknown caller"))
        caller = pl.coalesce("source_pod", nobody, pl.format("{} (pod unknown)", "source"))
        cells = moments.select("destination", caller=caller, errors="count")
    cells = cells.filter(pl.col("errors") > 0).cast({"errors": pl.Int64})
    rows = _largest(cells, "caller")
    columns = _largest(cells, "destination")
    sums = cells.group_by("caller", "destination").agg(pl.col("errors").sum())
    table = {(caller, host): n for caller, host, n in sums.iter_rows()}
    kept = columns[: most[1]]
    body = [(r, [table.get((r, c), 0) for c in kept]) for r in rows[: most[0]]]
    return Matrix(kept, body, max(0, len(columns) - most[1]), max(0, len(rows) - most[0]))


def _largest(cells: pl.DataFrame, by: str) -> list[str]:
    order = (
        cells.group_by(by).agg(pl.col("errors").sum()).sort("errors", by, descending=[True, False])
    )
    return [str(name) for name in order[by]]
