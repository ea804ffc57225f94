"""From the outcome of a replay to what the report page and the score table show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from importlib.metadata import version

from detector.replaying import Outcome
from detector.report.detail import IncidentDetail
from detector.report.page import InputSummary, Report, render
from detector.report.table import ScoreRow
from detector.settings import Settings
from detector.truth import Document, Match, Score
from detector.worker import NEVER


def page(
    outcome: Outcome, settings: Settings, sources: Sequence[str], score: Score | None = None
) -> str:
    """The report of a replay as one self-contained HTML page.

    Args:
        outcome: what the replay left behind.
        settings: of that replay.
        sources: what was read, as the user named it.
        score: when labels were given.
    """
    worker = outcome.worker
    started_at, ended_at = worker.period or (NEVER, NEVER)
    context = timedelta(seconds=settings.report.context_s)
    details = [
        IncidentDetail(
            incident,
            worker.engine.history(incident.series, incident.started_at - context),
            worker.moments.of(incident.series, incident.started_at - context),
        )
        for incident in worker.incidents
    ]
    return render(
        Report(
            title=settings.report.title,
            started_at=started_at,
            ended_at=ended_at,
            version=version("pushwake"),
            input=InputSummary(
                lines=outcome.records,
                entries=outcome.entries,
                rejects=outcome.rejects,
                late=worker.late,
                proxies=len(worker.pods),
                sources=sources,
            ),
            incidents=details,
            windows=worker.windows,
            scores=score_rows(score) if score else (),
            bucket_s=settings.detection.bucket_s,
        )
    )


def score_rows(score: Score) -> list[ScoreRow]:
    """One row a label, and one for every incident that no label explains."""
    return [_row(match) for match in score.matches] + [_false(one) for one in score.false]


def _row(match: Match) -> ScoreRow:
    truth = match.truth
    expected = f"{truth.cause}: {', '.join(truth.signals)} on {', '.join(truth.services)}"
    return ScoreRow(
        recording=truth.id,
        expected=expected if truth.should_alarm else "silence",
        found=", ".join(_told(one) for one in match.incidents) or "nothing",
        cause=match.cause or "-",
        delay_s=match.delay_s,
        verdict=_verdict(match),
        ok=match.right,
    )


def _verdict(match: Match) -> str:
    if match.right:
        return "right"
    if not match.truth.should_alarm:
        return "false alarm"
    return "wrong cause" if match.found else "missed"


def _false(incident: Document) -> ScoreRow:
    return ScoreRow(
        recording="(no label)",
        expected="silence",
        found=_told(incident),
        cause=str(incident["attribution"]["cause"]),
        delay_s=None,
        verdict="false alarm",
        ok=False,
    )


def _told(incident: Document) -> str:
    return f"{', '.join(incident['signals'])} on {', '.join(incident['services'])}"
