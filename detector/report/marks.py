"""The parts that the charts share: axes, shades, bars, and how a reader moves in them.

Channels are given as objects: to find out which kind a bare text or dict means takes Altair more
time than all else about a chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import altair as alt
import polars as pl

from detector.report import chartdata, phrases, wording
from detector.report.chartdata import Span
from detector.types import Window

MAX_WINDOWS = 40  # shaded in one chart
LABELS = 2  # windows named inside a chart; the others by tooltip
HEADROOM = 1.25  # room above the highest bar for the windows' names
ROW = 14  # height of a line of names, in CSS pixels

_DRAG = "[pointerdown[event.pointerType === 'mouse'], window:pointerup] > window:pointermove!"
_WHEEL = "wheel![event.shiftKey || event.ctrlKey]"


def ms(at: datetime) -> int:
    """Milliseconds since 1970, as Vega counts time."""
    return round(at.timestamp() * 1000)


def values(frame: pl.DataFrame, *times: str) -> list[dict[str, Any]]:
    """Rows as plain values, times in milliseconds since 1970."""
    return frame.with_columns(pl.col(t).dt.epoch("ms") for t in times).to_dicts()


def time_axis(name: str) -> alt.X:
    """The time axis; ``edges`` sets where it begins and ends."""
    axis = alt.Axis(title="time (UTC)", tickCount=6, grid=False, format="%H:%M:%S")
    scale = alt.Scale(type="utc", nice=False)
    return alt.X(f"{name}:T", scale=scale, axis=axis)


class Rows:
    """The rows behind a chart's layers, kept apart from Altair, which copies what it holds."""

    def __init__(self) -> None:
        self.named: dict[str, list[dict[str, Any]]] = {}

    def add(self, rows: Sequence[dict[str, Any]]) -> alt.NamedData:
        """The name under which a layer refers to ``rows``."""
        name = f"rows-{len(self.named)}"
        self.named[name] = list(rows)
        return alt.NamedData(name=name)


def edges(rows: Rows, span: Span) -> alt.Chart:
    """Two points nobody sees, so that the time axis spans all of ``span``."""
    ends = alt.Chart(rows.add([{"time": ms(span.start)}, {"time": ms(span.end)}]))
    hidden: alt.Chart = ends.mark_point(opacity=0, size=0, tooltip=None)
    return hidden.encode(x=time_axis("time"))


def shading(kept: Rows, windows: Sequence[Window], span: Span) -> list[alt.Chart]:
    """The reconciliation windows as labelled shades behind a chart."""
    seen = chartdata.overlapping(windows, span.start, span.end)[:MAX_WINDOWS]
    rows = [
        {
            "from": ms(max(w.started_at, span.start)),
            "to": ms(min(w.ended_at or span.end, span.end)),
            "window": wording.window(w),
            "since": phrases.clock(w.started_at),
            "proxies": wording.proxies(w),
        }
        for w in seen
    ]
    if not rows:
        return []
    tips = [alt.Tooltip(f"{name}:N") for name in ("window", "since", "proxies")]
    shade = alt.Chart(kept.add(rows)).mark_rect(style="window")
    layers = [shade.encode(x=time_axis("from"), x2=alt.X2("to"), tooltip=tips)]
    for index, row in enumerate(rows[:LABELS]):
        label = alt.Chart(kept.add([row])).mark_text(
            style="window-label", align="left", baseline="top", dx=4
        )
        layers.append(
            label.encode(
                x=time_axis("from"),
                y=alt.PositionValueDef(2 + ROW * index),
                text=alt.Text("window:N"),
            )
        )
    return layers


def colour(signals: Sequence[str]) -> alt.Color:
    """A colour per signal; a legend only where there is something to tell apart."""
    names = sorted(set(signals))
    legend = alt.Legend(title="signal (click to single out)") if len(names) > 1 else None
    return alt.Color("signal:N", scale=alt.Scale(domain=names), legend=legend)


def kind(bins: pl.DataFrame) -> str:
    """``Errors``, or ``NC errors`` when all are of one signal."""
    names = bins["signal"].unique()
    return f"{names[0]} errors" if len(names) == 1 else "Errors"


def picker() -> alt.Parameter:
    """A click on the legend singles out a signal, Shift and click adds one."""
    return alt.selection_point(name="pick", fields=["signal"], bind="legend")


def picked(shown: float, other: float) -> alt.OpacityValue:
    """The opacity of what is singled out, or of all while nothing is, and that of the others."""
    return alt.OpacityValue(other, condition={"param": "pick", "value": shown})


def zoom() -> alt.Parameter:
    """Zoom in time by Shift and wheel, pan by mouse: plain scrolling stays the page's."""
    return alt.selection_interval(
        name="zoom", bind="scales", encodings=["x"], translate=_DRAG, zoom=_WHEEL
    )


def stacked(bins: pl.DataFrame, by: str) -> pl.DataFrame:
    """Where each signal's bar begins (``low``) and ends (``high``) on those below it."""
    high = pl.col("errors").cum_sum().over(by)
    return bins.with_columns(low=high - pl.col("errors"), high=high)


def stacked_bars(
    kept: Rows, rows: Sequence[dict[str, Any]], x: alt.X, title: str, tips: Sequence[alt.Tooltip]
) -> alt.Chart:
    """Stacked bars from ``x`` to the field ``to``, which the legend can single out."""
    signals = [row["signal"] for row in rows]
    top = max((row["high"] for row in rows), default=1)
    y = alt.Y(
        "low:Q",
        title=title,
        scale=alt.Scale(domain=[0, HEADROOM * top]),
        axis=alt.Axis(tickMinStep=1, format="~s"),
    )
    base = alt.Chart(kept.add(rows)).mark_rect(style="bar-of-errors")
    drawn = base.encode(
        x=x,
        x2=alt.X2("to"),
        y=y,
        y2=alt.Y2("high"),
        color=colour(signals),
        opacity=picked(1, 0.12),
        tooltip=list(tips),
    )
    live: alt.Chart = drawn.add_params(picker(), zoom())
    return live
