"""What the page says of one incident, ready to be laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from detector.report import chartdata, charts, phrases, wording
from detector.report.chartdata import Matrix, Span
from detector.report.detail import IncidentDetail
from detector.types import Incident, Window

MAX_ROWS = 60  # of the table behind a chart
MAX_POINTS = 12  # of evidence, on each side
MAX_EXEMPLARS = 5
EXEMPLAR_LENGTH = 1_200
MATRIX = (14, 8)  # callers, services


@dataclass(frozen=True, slots=True)
class DataTable:
    """The numbers behind a chart."""

    header: list[str]
    rows: list[list[str]]
    more: int


@dataclass(frozen=True, slots=True)
class ChartView:
    """A chart, what to make of it, and its numbers."""

    title: str
    spec: dict[str, Any]
    note: str
    table: DataTable | None


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident as the page tells it; ``gaps`` says why a chart is missing."""

    incident: Incident
    verdict: str
    charts: list[ChartView]
    gaps: list[str]
    matrix: Matrix
    hottest: int
    evidence: list[str]
    against: list[str]
    exemplars: list[str]
    more_exemplars: int


def view(detail: IncidentDetail, windows: Sequence[Window], bucket_s: int) -> IncidentView:
    """Everything about an incident for the page, bounded."""
    incident, moments = detail.incident, detail.moments
    span = chartdata.span_of(incident, moments, bucket_s)
    drawn, gaps = [], []
    over_time = _over_time(detail, windows, span, bucket_s)
    if over_time:
        drawn.append(over_time)
    else:
        gaps.append("No counts of this incident were kept, so there is nothing to draw over time.")
    around = _around(detail, windows, span)
    if isinstance(around, str):
        gaps.append(around)
    else:
        drawn += around
    matrix = chartdata.affected(detail.history, moments, MATRIX)
    told = incident.attribution
    return IncidentView(
        incident=incident,
        verdict=wording.tell(incident),
        charts=drawn,
        gaps=gaps,
        matrix=matrix,
        hottest=max((n for _, counts in matrix.rows for n in counts), default=0),
        evidence=_points(told.evidence),
        against=_points(told.against),
        exemplars=[phrases.clean(x, EXEMPLAR_LENGTH) for x in incident.exemplars[:MAX_EXEMPLARS]],
        more_exemplars=max(0, len(incident.exemplars) - MAX_EXEMPLARS),
    )


def _points(said: Sequence[str]) -> list[str]:
    points = [phrases.clean(point, 400) for point in said[:MAX_POINTS]]
    rest = len(said) - MAX_POINTS
    return [*points, f"+{rest} more"] if rest > 0 else points


def _over_time(
    detail: IncidentDetail, windows: Sequence[Window], span: Span, bucket_s: int
) -> ChartView | None:
    bins = chartdata.error_bins(detail.history, detail.moments, span)
    if bins.is_empty():
        return None
    expected = chartdata.expected_bins(detail.history, span, bucket_s)
    chart = charts.errors(bins, expected, windows, detail.incident, span)
    note = (
        "Grey: what the baselines expect, up to the level that 999 of 1,000 bins stay below when "
        "errors come singly."
    )
    if chartdata.overlapping(windows, span.start, span.end):
        note += " Violet: reconciliation windows."
    wide = bins.pivot(on="signal", index="time", values="errors", sort_columns=True).sort("time")
    return ChartView(chart.title, chart.spec, note, _table(wide, "time (UTC)"))


def _around(detail: IncidentDetail, windows: Sequence[Window], span: Span) -> list[ChartView] | str:
    """The charts around the proxies' reconnects, or in words why there are none."""
    missing = "No chart around the proxies' reconnects: "
    if detail.moments.is_empty():
        return f"{missing}the input carried counts per bucket only, without single errors."
    window = chartdata.window_of(detail.incident, windows)
    if window is None:
        return f"{missing}no reconciliation window with known proxies lies near this incident."
    rows = chartdata.aligned(detail.moments, window)
    bins = chartdata.offset_bins(rows)
    if bins.is_empty():
        return (
            f"{missing}none of these errors came within {chartdata.REACH_S} s of its own proxy's "
            f"reconnect in the {wording.window(window)} ({wording.proxies(window)})."
        )
    chart = charts.alignment(bins)
    wide = bins.pivot(on="signal", index="second", values="errors", sort_columns=True)
    table = _table(wide.sort("second"), "seconds from reconnect")
    around = ChartView(chart.title, chart.spec, _reading(rows, window), table)
    stairs = charts.proxies(rows, window, windows, span)
    note = "Violet tick: the proxy took on its new configuration. Dot: its errors in that moment."
    return [around, ChartView(stairs.title, stairs.spec, note, None)]


def _reading(rows: pl.DataFrame, window: Window) -> str:
    """How to read the alignment chart, and what it shows, in numbers."""
    offset = pl.col("offset_s")
    total = int(rows["errors"].sum())
    near = rows.filter(offset.is_between(-chartdata.REACH_S, chartdata.REACH_S, closed="left"))
    after = int(near.filter(offset >= 0)["errors"].sum())
    before = int(near["errors"].sum()) - after
    timeless = int(rows.filter(offset.is_null())["errors"].sum())
    away = total - after - before - timeless
    rest = f", {away:,} are further away" if away else ""
    if timeless:
        rest += f", {timeless:,} come from proxies without a known reconnect"
    hit = rows.filter(offset.is_not_null())["proxy"].n_unique()
    return (
        "Each proxy's clock is set to zero when it reconnects. Errors that begin at zero began as "
        "each proxy took on its new configuration; errors spread evenly over both sides have "
        f"another reason. Here {after:,} of {total:,} fall in the {chartdata.REACH_S} s after, "
        f"{before:,} in the {chartdata.REACH_S} s before{rest}. "
        f"They hit {hit:,} of the {len(window.reconciled):,} proxies that reconciled."
    )


def _table(wide: pl.DataFrame, first: str) -> DataTable:
    rows = [[_cell(value) for value in row] for row in wide.head(MAX_ROWS).iter_rows()]
    return DataTable([first, *wide.columns[1:]], rows, max(0, wide.height - MAX_ROWS))


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%H:%M:%S}"
    return "0" if value is None else str(value)
