"""A period's incidents as one self-contained HTML page.

The page loads nothing from anywhere: styles, scripts and data are inside it, and its content
security policy forbids every connection. Whatever comes from logs is cleaned, cut and escaped,
and every list has an end, so the page stays below a few megabytes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jinja2

from detector.report import charts, phrases, wording
from detector.report.bundle import bundle
from detector.report.chartdata import Span
from detector.report.detail import IncidentDetail
from detector.report.incident_view import ChartView, view
from detector.report.table import ScoreRow
from detector.report.templating import environment, template_text
from detector.report.theme import config
from detector.types import Incident, Window

__all__ = ["IncidentDetail", "InputSummary", "Report", "ScoreRow", "render"]

MAX_DETAILED = 6  # incidents told in full; the others have their row in the list
MAX_LISTED = 200  # rows of the list of incidents
MAX_WINDOWS = 60
MAX_REASONS = 20


@dataclass(frozen=True, slots=True)
class InputSummary:
    """What was read."""

    lines: int
    entries: int  # access log entries among them
    rejects: Mapping[str, int] = field(default_factory=dict)  # reason -> how many
    late: int = 0  # entries that came after their bucket had closed
    proxies: int = 0  # that wrote at least one entry
    sources: Sequence[str] = ()  # files or topics


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that the page tells."""

    title: str
    started_at: datetime
    ended_at: datetime
    version: str
    input: InputSummary
    incidents: Sequence[IncidentDetail] = ()
    windows: Sequence[Window] = ()
    scores: Sequence[ScoreRow] = ()
    bucket_s: int = 10


def render(report: Report) -> str:
    """The page. Equal reports give equal pages."""
    found = [detail.incident for detail in report.incidents]
    largest = sorted(range(len(found)), key=lambda n: -found[n].excess)[:MAX_DETAILED]
    views = [view(report.incidents[n], report.windows, report.bucket_s) for n in sorted(largest)]
    script = template_text("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            title=phrases.clean(report.title, 120),
            headline=wording.headline(found, report.windows, report.input.entries),
            tone=_tone(report),
            period=phrases.duration(report.ended_at - report.started_at),
            views=views,
            told={v.incident.id for v in views},
            listed=found[:MAX_LISTED],
            more_listed=max(0, len(found) - MAX_LISTED),
            windows=_windows(report),
            more_windows=max(0, len(report.windows) - MAX_WINDOWS),
            rejects=sorted(report.input.rejects.items(), key=lambda item: (-item[1], item[0])),
            max_reasons=MAX_REASONS,
            shown_sources=[phrases.clean(source) for source in report.input.sources],
            timeline=_timeline(report, found),
            themes={"light": config("light"), "dark": config("dark")},
            css=template_text("report.css"),
            bundle=bundle(),
            script=script,
            hashes=" ".join(_digest(text) for text in (bundle(), script)),
        )
    )


def _tone(report: Report) -> str:
    """The page's mood: ``fine``, ``empty`` or ``alarm``; said in words as well as in colour."""
    if report.incidents:
        return "alarm"
    return "fine" if report.input.entries else "empty"


def _windows(report: Report) -> list[Window]:
    """The windows to list, in time order; those that incidents follow are never left out."""
    named = {
        d.incident.attribution.window.id for d in report.incidents if d.incident.attribution.window
    }
    first = sorted(report.windows, key=lambda w: (w.id not in named, w.started_at))[:MAX_WINDOWS]
    return sorted(first, key=lambda w: w.started_at)


def _timeline(report: Report, found: Sequence[Incident]) -> ChartView | None:
    """The period at a glance; nothing when nothing happened in it."""
    if not found and not report.windows:
        return None
    length = max(report.ended_at - report.started_at, timedelta(seconds=1))
    span = Span(report.started_at, report.started_at + length, report.bucket_s)
    drawn = charts.timeline(found, report.windows, span)
    return ChartView(drawn.title, drawn.spec, "", None)


@functools.cache
def _environment() -> jinja2.Environment:
    return environment("detector.report")


def _digest(script: str) -> str:
    """A script's hash as a content security policy names it."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
