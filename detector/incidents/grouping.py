"""Which alarms belong together: one cause, one incident."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from detector.engine.aligned import KINDS
from detector.engine.series import CONTROL_SIGNALS
from detector.naming import calls
from detector.types import Series, Window

SAME_SIGNAL = timedelta(minutes=5)  # a fault of reconciliation wanders from proxy to proxy
AT_ONCE = timedelta(seconds=30)  # one reconciliation may show as several signals, but then at once
SPREAD = timedelta(minutes=2)  # callers fail at once; this allows for slower time scales
CONFIGURATION = frozenset({"NR", "NC"})  # workloads that crash do not cause them
GRACE = timedelta(seconds=60)  # onsets are known to a bucket or so


def belongs(
    series: Series,
    members: Iterable[Series],
    *,
    pause: timedelta,
    age: timedelta,
    same_window: bool,
) -> str | None:
    """Why the alarm of ``series`` belongs to an incident, or None if it does not.

    Args:
        series: In alarm now.
        members: Series of the incident.
        pause: Since the incident's last alarm.
        age: Since the incident's first alarm.
        same_window: Whether a reconciliation window that it began in is still open.
    """
    known = list(members)
    signals = {one.signal for one in known}
    control = series.signal in CONTROL_SIGNALS
    there = {one.signal for one in known if one.destination == series.destination}
    same_caller = any(
        (one.reporter, one.source, one.signal) == ("source", series.source, series.signal)
        for one in known
    )
    wanders = same_window or (series.signal in CONFIGURATION and pause <= SAME_SIGNAL)
    rules = (
        ("same destination and signal", series.signal in there),
        ("same destination", bool(there) and pause <= SPREAD),
        (
            "same destination within one window",
            control and same_window and bool(there & CONTROL_SIGNALS),
        ),
        ("same signal of reconciliation", control and series.signal in signals and wanders),
        (
            "signals of reconciliation at the same time",
            control and bool(signals & CONTROL_SIGNALS) and age <= AT_ONCE,
        ),
        ("same caller and signal", same_caller and pause <= SPREAD),
        (
            "errors passed on along the chain of callers",
            pause <= SPREAD and any(_chained(series, one) for one in known),
        ),
    )
    return next((reason for reason, holds in rules if holds), None)


def under_way(since: datetime, windows: Iterable[Window]) -> bool:
    """Whether a window that an incident of ``since`` began in has not closed yet."""
    return any(one.ended_at is None and one.started_at <= since + GRACE for one in windows)


def divided(series: Series, now: datetime, last_alarm: datetime, windows: Iterable[Window]) -> bool:
    """Whether another istiod took over after an incident had paused, and before a new alarm.

    Then a signal of reconciliation has a cause of its own, though it may look as before. Pushes
    divide nothing: they come every few minutes.
    """
    return (
        series.signal in CONTROL_SIGNALS
        and now - last_alarm > SPREAD
        and any(one.kind in KINDS and last_alarm < one.started_at <= now for one in windows)
    )


def _chained(one: Series, other: Series) -> bool:
    """Whether one series may be the echo of the other: a caller answers 5xx for its callee's."""
    return (_is_server_error(one) and calls(one.destination, other.source)) or (
        _is_server_error(other) and calls(other.destination, one.source)
    )


def _is_server_error(series: Series) -> bool:
    return series.signal.isdecimal() and series.signal >= "500"
