"""What takes time once, done before the first request that would have to wait for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detector.report import charts
from detector.report.chartdata import Span
from detector.web.pages import assets
from detector.web.pages.html import templates

_ANY = datetime(2000, 1, 1, tzinfo=UTC)


def prepare() -> None:
    """Make all files, compile all templates, and let the chart library find its parts."""
    for name in assets.names():
        assets.asset(name)
    made = templates()
    for name in made.list_templates(extensions=["j2"]):
        made.get_template(name)
    charts.timeline((), (), Span(_ANY, _ANY + timedelta(minutes=1), 10))
