"""Charts of an incident and of a period: one Vega-Lite spec for page, message and report.

A chart is a pure function of its frames. Colours come from ``config`` (one a theme), never
from the spec, so the same spec reads well on light and on dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl
import vl_convert
from altair.utils.schemapi import debug_mode

from detector.report import chartdata, marks, phrases, wording
from detector.report.chartdata import Span
from detector.report.theme import GROUND, Theme, config
from detector.types import Incident, Window

MAX_PROXIES = 24  # rows of the proxy chart
MAX_LANE_ITEMS = 200  # bars of the timeline
HEIGHT = 220  # of a chart over time, in CSS pixels
WIDTH = 720  # of a picture, in CSS pixels


_trusted = debug_mode(False)
"""Tests hold the charts against the schema; checking again on every call takes most of the time."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished chart: its title, for a heading, and a Vega-Lite document without it."""

    title: str
    spec: dict[str, Any]


def _baseline(kept: marks.Rows, expected: pl.DataFrame) -> list[alt.Chart]:
    """What the baselines expect, as a band and its middle; nothing when nothing is known."""
    if expected.is_empty():
        return []
    chart = alt.Chart(kept.add(marks.values(expected, "time"))).encode(x=marks.time_axis("time"))
    return [
        chart.mark_area(style="band", interpolate="step-after").encode(y=alt.Y("upper:Q")),
        chart.mark_line(style="expected", interpolate="step-after").encode(y=alt.Y("expected:Q")),
    ]


@_trusted
def errors(
    bins: pl.DataFrame,
    expected: pl.DataFrame,
    windows: Sequence[Window],
    incident: Incident,
    span: Span,
) -> Drawing:
    """Errors over time by signal, against what the baselines expect, windows shaded.

    Args:
        bins: of ``chartdata.error_bins``.
        expected: of ``chartdata.expected_bins``.
        windows: any; those outside ``span`` are left out.
        incident: for the mark at its detection.
        span: the stretch of time and the width of the bins.
    """
    kept = marks.Rows()
    per = f"{span.bin_s} s" if span.bin_s < 60 else f"{span.bin_s // 60} min"
    ends = pl.col("time") + pl.duration(seconds=span.bin_s)
    at = pl.col("time").dt.strftime("%H:%M:%S")
    rows = marks.values(marks.stacked(bins, "time").with_columns(to=ends, at=at), "time", "to")
    tips = [
        alt.Tooltip("at:N", title="time (UTC)"),
        alt.Tooltip("signal:N"),
        alt.Tooltip("errors:Q", title=f"errors in {per}"),
    ]
    drawn = marks.stacked_bars(kept, rows, marks.time_axis("time"), f"errors per {per}", tips)
    shades = marks.shading(kept, windows, span)
    raised = [{"time": marks.ms(incident.detected_at), "text": "detected"}]
    mark = alt.Chart(kept.add(raised)).encode(x=marks.time_axis("time"))
    below = 2 + marks.ROW * max(0, len(shades) - 1)
    rule = mark.mark_rule(style="detection").encode(
        y=alt.PositionValueDef(below), y2=alt.PositionValueDef(HEIGHT)
    )
    label = mark.mark_text(style="detection-label", align="left", baseline="top", dx=4).encode(
        y=alt.PositionValueDef(below), text=alt.Text("text:N")
    )
    known = [rule, label] if span.start <= incident.detected_at <= span.end else []
    layers = [
        marks.edges(kept, span),
        *shades,
        *_baseline(kept, expected),
        drawn,
        *known,
    ]
    return _drawing(kept, layers, f"{marks.kind(bins)} per {per}")


@_trusted
def alignment(bins: pl.DataFrame) -> Drawing:
    """Errors against the time since each proxy's own reconnect (``chartdata.offset_bins``)."""
    kept = marks.Rows()
    reach = chartdata.REACH_S
    axis = alt.Axis(values=list(range(-reach, reach + 1, 10)), grid=False)
    x = alt.X(
        "second:Q",
        title="seconds after the proxy's own reconnect",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=axis,
    )
    rows = marks.values(marks.stacked(bins, "second").with_columns(to=pl.col("second") + 1))
    tips = [
        alt.Tooltip("second:Q", title="seconds from reconnect"),
        alt.Tooltip("signal:N"),
        alt.Tooltip("errors:Q"),
    ]
    bars = marks.stacked_bars(kept, rows, x, "errors", tips)
    zero = alt.Chart(kept.add([{"second": 0, "text": "proxy reconnects"}])).encode(x=x)
    rule = zero.mark_rule(style="reconnect")
    label = zero.mark_text(style="window-label", align="right", baseline="top", dx=-5).encode(
        y=alt.PositionValueDef(2), text=alt.Text("text:N")
    )
    return _drawing(
        kept, [bars, rule, label], f"{marks.kind(bins)} around each proxy's own reconnect"
    )


def _hardest_hit(named: pl.DataFrame, window: Window, span: Span) -> dict[str, str]:
    """Short names of the proxies with most errors, in the order of their reconnects."""
    sums = named.group_by("proxy").agg(pl.col("errors").sum()).sort("errors", "proxy")
    top = sums["proxy"].tail(MAX_PROXIES).to_list()
    names: dict[str, str] = {}
    for proxy in sorted(top, key=lambda one: (window.reconciled.get(one, span.end), one)):
        short = phrases.clean(proxy.rpartition(".")[0] or proxy, 20)
        names[proxy] = f"{short} #{len(names)}" if short in names.values() else short
    return names


@_trusted
def proxies(rows: pl.DataFrame, window: Window, windows: Sequence[Window], span: Span) -> Drawing:
    """One row a proxy: when it reconnected, when it saw errors.

    Args:
        rows: of ``chartdata.aligned``; the proxies with most errors are shown.
        window: tells when each proxy reconciled.
        windows: to shade.
        span: the stretch of time.
    """
    kept = marks.Rows()
    named = rows.drop_nulls("proxy").filter(pl.col("time").is_between(span.start, span.end))
    names = _hardest_hit(named, window, span)
    dots = (
        named.filter(pl.col("proxy").is_in(list(names)))
        .group_by(pl.col("time").dt.truncate(f"{span.bin_s}s"), "proxy", "signal")
        .agg(pl.col("errors").sum(), middle=pl.col("time").mean())
        .with_columns(
            time="middle",
            at=pl.col("time").dt.strftime("%H:%M:%S"),
            pod=pl.col("proxy").replace_strict(names, return_dtype=pl.String),
        )
        .drop("proxy", "middle")
    )
    ticks = [
        {"time": marks.ms(at), "pod": names[proxy], "at": phrases.clock(at)}
        for proxy, at in window.reconciled.items()
        if proxy in names and span.start <= at <= span.end
    ]
    y = alt.Y("pod:N", sort=list(names.values()), title=None, axis=alt.Axis(labelLimit=190))
    x = marks.time_axis("time")
    seen = [alt.Tooltip("pod:N", title="proxy"), alt.Tooltip("at:N", title="time (UTC)")]
    drawn = (
        alt.Chart(kept.add(marks.values(dots.sort("time", "signal", "pod"), "time")))
        .mark_circle()
        .encode(
            x=x,
            y=y,
            size=alt.Size("errors:Q", scale=alt.Scale(range=[18, 160]), legend=None),
            color=marks.colour(dots["signal"].to_list()),
            opacity=marks.picked(0.85, 0.08),
            tooltip=[*seen, alt.Tooltip("signal:N"), alt.Tooltip("errors:Q")],
        )
    )
    drawn = drawn.add_params(marks.picker(), marks.zoom())
    layers = [marks.edges(kept, span), *marks.shading(kept, windows, span)[:1], drawn]
    if ticks:
        turned = alt.Chart(kept.add(ticks)).mark_tick(style="reconnect", size=15)
        layers.append(turned.encode(x=x, y=y, tooltip=seen))
    return _drawing(kept, layers, "Proxy by proxy: reconnect and errors", 30 + 18 * len(names))


@_trusted
def timeline(incidents: Sequence[Incident], windows: Sequence[Window], span: Span) -> Drawing:
    """Incidents and reconciliation windows of a whole period as bars over time."""
    kept = marks.Rows()
    bars = [
        {
            "lane": "incidents",
            "from": marks.ms(i.started_at),
            "to": marks.ms(i.ended_at or span.end),
            "what": wording.gist(i),
            "when": f"{phrases.clock(i.started_at)}, {wording.lasted(i)}",
        }
        for i in incidents[:MAX_LANE_ITEMS]
    ]
    shown = windows[:MAX_LANE_ITEMS]
    shades = [
        {
            "lane": wording.KINDS[w.kind],
            "from": marks.ms(w.started_at),
            "to": marks.ms(w.ended_at or span.end),
            "what": f"{wording.window(w)}: {wording.proxies(w)}",
            "when": phrases.clock(w.started_at),
        }
        for w in shown
    ]
    lanes = ["incidents", *dict.fromkeys(wording.KINDS[w.kind] for w in shown)]
    y = alt.Y("lane:N", sort=lanes, title=None, scale=alt.Scale(domain=lanes))
    tips = [alt.Tooltip("what:N"), alt.Tooltip("when:N", title="since (UTC)")]
    layers = [marks.edges(kept, span).add_params(marks.zoom())]
    for rows, style in ((shades, "lane-window"), (bars, "lane-incident")):
        if not rows:
            continue
        drawn = alt.Chart(kept.add(rows)).mark_bar(style=style, minBandSize=4, height=14)
        layers.append(drawn.encode(x=marks.time_axis("from"), x2=alt.X2("to"), y=y, tooltip=tips))
    height = 12 + 26 * len(lanes)
    return _drawing(kept, layers, "Incidents and reconciliation windows", height)


def _drawing(
    kept: marks.Rows, layers: list[alt.Chart], title: str, height: int = HEIGHT
) -> Drawing:
    chart = alt.LayerChart(layer=layers, width="container", height=height)
    document = chart.to_dict(validate=False)
    fit = {"type": "fit-x", "contains": "padding"}
    told = {"config": {}, "datasets": kept.named, "description": title, "autosize": fit}
    return Drawing(title, {**document, **told})


def png(drawing: Drawing, theme: Theme = "light", scale: float = 2.0) -> bytes:
    """The chart as a PNG picture with its title, for places that cannot draw.

    Args:
        drawing: any of this module.
        theme: decides colours and ground.
        scale: picture pixels per CSS pixel.
    """
    document = {**drawing.spec, "title": drawing.title, "width": WIDTH, "padding": 16}
    colours = {**config(theme), "background": GROUND[theme]}
    return vl_convert.vegalite_to_png(document, config=colours, scale=scale, allowed_base_urls=[])
