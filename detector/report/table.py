"""What a replay says in the terminal: rich tables that read well at 80 columns, without colour too.

Cells are ``Text`` objects of cleaned strings, so brackets in names are no markup and escape
sequences in logs never reach the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.report import phrases, wording
from detector.report.wording import tell
from detector.types import Cause, Incident

__all__ = ["ScoreRow", "incidents", "scores", "tell"]

ROWS = 40  # two screens; the report and the NDJSON hold all

STYLES: dict[Cause, str] = {
    "control-plane": "bold magenta",
    "workload": "bold yellow",
    "client": "cyan",
    "unknown": "dim",
}


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One labelled event of a recording against what was found."""

    recording: str
    expected: str  # the labelled cause, services and signals in words; "silence" when none
    found: str  # the incident in words, or "nothing"
    cause: str  # the cause found, or "-"
    delay_s: float | None  # from the labelled start to the detection; None when nothing was found
    verdict: str  # right | missed | false alarm | wrong cause | ..., in words
    ok: bool


def incidents(found: Sequence[Incident]) -> RenderableType:
    """The table at the end of a replay, in the order given; a sentence when there is none."""
    if not found:
        return Text("No incident.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True, expand=False)
    table.add_column("When (UTC)", no_wrap=True)
    table.add_column("What", overflow="fold", ratio=5, min_width=18)
    table.add_column("Errors", justify="right", min_width=12)
    table.add_column("Cause", overflow="fold", ratio=4, min_width=20)
    for incident in found[:ROWS]:
        table.add_row(_when(incident), _what(incident), _errors(incident), _cause(incident))
    if len(found) <= ROWS:
        return table
    return Group(table, Text(f"+{len(found) - ROWS:,} more incidents"))


def _when(incident: Incident) -> Text:
    text = Text(phrases.clock(incident.started_at))
    text.append(f"\n{wording.lasted(incident)}")
    text.append(f"\n{wording.STATUSES[incident.status]}", style="bold")
    return text


def _what(incident: Incident) -> Text:
    text = Text(phrases.some(wording.signals(incident), 4), style="bold")
    text.append(" on ", style="not bold")
    return text.append(phrases.some(wording.services(incident), 4), style="not bold")


def _errors(incident: Incident) -> Text:
    text = Text(phrases.count(incident.errors), style="bold")
    if incident.requests > 0:
        text.append(f"\nof {phrases.count(incident.requests)}", style="not bold")
    return text.append(f"\nexpected {phrases.count(incident.expected)}", style="not bold")


def _cause(incident: Incident) -> Text:
    told = incident.attribution
    text = Text(wording.CAUSES[told.cause], style=STYLES[told.cause])
    text.append(f", {phrases.percent(told.confidence)} sure", style="not bold")
    if told.window:
        text.append(f"\n{wording.window(told.window)}", style="not bold")
    if incident.signature:
        known = phrases.clean(incident.signature.title, 120)
        text.append(f"\nknown fault: {known}", style="not bold italic")
    return text


def scores(rows: Sequence[ScoreRow]) -> RenderableType:
    """The table of truth scoring, and below it how many labelled events came out right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    table.add_column("Recording", overflow="fold", ratio=3)
    table.add_column("Expected", overflow="fold", ratio=4)
    table.add_column("Found", overflow="fold", ratio=4)
    table.add_column("Cause", overflow="fold", ratio=3)
    table.add_column("Delay", justify="right", no_wrap=True)
    table.add_column("Verdict", overflow="fold", ratio=2)
    for row in rows:
        delay = "-" if row.delay_s is None else f"{row.delay_s:.0f} s"
        words = (row.recording, row.expected, row.found, row.cause, delay)
        verdict = Text(phrases.clean(row.verdict), style="green" if row.ok else "bold red")
        table.add_row(*(Text(phrases.clean(word, 200)) for word in words), verdict)
    right = sum(row.ok for row in rows)
    return Group(table, Text(f"{right} of {len(rows)} right"))
