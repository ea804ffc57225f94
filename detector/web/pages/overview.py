"""What the first page shows, read in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from detector.conditions import Condition
from detector.recalling import incident_of
from detector.report import charts, phrases
from detector.report.chartdata import Span
from detector.report.charts import Drawing
from detector.report.incident_view import ChartView
from detector.settings import Settings
from detector.store.conditions import read_conditions
from detector.store.incident_index import Told, Wanted, count_incidents, find_incidents
from detector.store.shared import Connection
from detector.store.window_rows import find_windows, one_window
from detector.types import Incident, Status, Window
from detector.web.pages.comparing import Reconciliation, told_of
from detector.web.pages.drawn import Drawn
from detector.web.pages.promise import FalseAlarms, false_alarms
from detector.web.pages.pulse import Pulse, take_pulse

LIVE: tuple[Status, ...] = ("open", "worsening", "recovering")
SHOWN = 20  # live incidents
LATELY = 5  # incidents that are over
GOING = 4  # reconciliations under way
DRAWN = 100  # incidents and windows in the chart
PERIODS = tuple(timedelta(minutes=n) for n in (10, 60, 360, 1_440))
"""Lengths that the chart may have: the shortest that holds what happened last."""

_timelines: Drawn[Drawing] = Drawn(4)


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the mesh."""

    pulse: Pulse
    promise: FalseAlarms
    conditions: list[Condition]
    live: list[Incident]
    live_count: int
    day_count: int
    worst: Incident | None  # of the live ones, with its window's proxies
    recent: list[Incident]
    going: list[Reconciliation]
    more_going: bool
    last: Reconciliation | None
    timeline: ChartView | None
    period: str


def read_overview(connection: Connection, settings: Settings) -> Overview:
    """The state of the mesh as of the last step."""
    pulse = take_pulse(connection, settings)
    live = find_incidents(connection, Wanted(status=LIVE), limit=SHOWN)
    recent = find_incidents(connection, Wanted(status=("resolved",)), limit=LATELY)
    going = find_windows(connection, open_now=True, limit=GOING + 1)
    last = find_windows(connection, limit=1)
    timeline, period = _timeline(connection, pulse)
    return Overview(
        pulse=pulse,
        promise=false_alarms(connection, settings, pulse),
        conditions=read_conditions(connection),
        live=[incident_of(one.document) for one in live],
        live_count=count_incidents(connection, Wanted(status=LIVE)),
        day_count=count_incidents(connection, Wanted(since=pulse.as_of - timedelta(days=1))),
        worst=_worst(connection, live),
        recent=[incident_of(one.document) for one in recent],
        going=told_of(connection, going[:GOING]),
        more_going=len(going) > GOING,
        last=next(iter(told_of(connection, last)), None),
        timeline=timeline,
        period=period,
    )


def _worst(connection: Connection, live: Sequence[Told]) -> Incident | None:
    told = max(live, key=lambda one: one.document.excess, default=None)
    if told is None:
        return None
    window = told.document.attribution.window
    return incident_of(told.document, one_window(connection, window.id) if window else None)


def _timeline(connection: Connection, pulse: Pulse) -> tuple[ChartView | None, str]:
    """The last hours at a glance; nothing when nothing happened in them."""
    end = pulse.as_of
    since = end - PERIODS[-1]
    found = find_incidents(connection, Wanted(since=since), limit=DRAWN)
    windows = find_windows(connection, since=since, limit=DRAWN)
    if not found and not windows:
        return None, ""
    starts = [one.document.started_at for one in found] + [one.started_at for one in windows]
    length = _period(end - max(starts))
    span = Span(max(end - length, pulse.since or end - length), end, 10)
    bars = [_clipped(one, span) for one in map(_restored, found) if _reaches(one, span)]
    shades = [_clipped(one, span) for one in windows if _reaches(one, span)]
    facts = (bars, shades, span)
    drawn = _timelines.get(facts, lambda: charts.timeline(bars, shades, span))
    view = ChartView(drawn.title, drawn.spec, "", None)
    return view, f"The last {phrases.duration(span.end - span.start)}"


def _period(age: timedelta) -> timedelta:
    """The shortest length that reaches back a little further than ``age``."""
    return next((one for one in PERIODS if one >= 1.2 * age), PERIODS[-1])


def _restored(told: Told) -> Incident:
    return incident_of(told.document)


Bar = TypeVar("Bar", Incident, Window)


def _reaches(one: Bar, span: Span) -> bool:
    return one.ended_at is None or one.ended_at >= span.start


def _clipped(one: Bar, span: Span) -> Bar:
    """Without the part that lies before the chart."""
    return replace(one, started_at=max(one.started_at, span.start))
