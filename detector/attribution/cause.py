"""Why an incident happened: the most likely cause, how sure, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detector.attribution.arguments import Argument, from_clients, of_signals
from detector.attribution.evidence import Errors, gather
from detector.attribution.suspects import NAMES, Scene, Suspect, habit, suspect
from detector.engine.series import SILENT
from detector.types import Attribution, Cause, Incident, Window
from models.coincidence import probability

_NO_WINDOW = -2.3  # ln 0.1: nine in ten faults of a control plane lie in a window
_UNHEARD = -1.0  # without any control-plane input a window could not have been seen
_DEAF = "No control-plane input was heard, so the errors could not be compared with any change"
_TEMPER = 0.8  # arguments overlap a little, so their sum is surer than it should be


@dataclass(frozen=True, slots=True)
class Case:
    """All that attribution may look at.

    Attributes:
        incident: its series and times.
        history: time, reporter, source, destination, signal, errors, requests, expected: the
            buckets with errors of the incident's series over the last hours.
        moments: schema.MOMENTS; errors of any series, those of the incident are picked.
        windows: all that might matter, whatever their kind.
        coverage: share of all observed time that windows of a kind cover, the time after them in
            which their effects show included; empty when no control-plane input was heard.
        resolution_s: of the moments: 0.001 from log lines, the bucket's length from rollups.
        now: event time of this judgement.
        first_seen: when observation began.
        bucket_s: length of the history's buckets.
    """

    incident: Incident
    history: pl.DataFrame
    moments: pl.DataFrame
    windows: Sequence[Window]
    coverage: Mapping[str, float]
    resolution_s: float
    now: datetime
    first_seen: datetime
    bucket_s: float = 10.0


def explain(case: Case) -> Attribution:
    """The cause of an incident, as far as can be told by ``case.now``.

    A pure function: called again with more evidence it revises its answer. Log odds of the
    control plane = what the signals make likely + the arguments of the best window (or the lack
    of one). Positive names the control plane; otherwise clients for their own kinds of error,
    nobody (``unknown``) when the signals look like configuration but no change explains them,
    and else the workload. ``confidence`` is that of the named cause, within 0.5 to 0.99.
    """
    errors = gather(
        case.incident.series,
        case.history,
        case.moments,
        since=case.incident.started_at,
        until=case.incident.ended_at or case.now,
        resolution_s=case.resolution_s,
        bucket_s=case.bucket_s,
    )
    if errors.frame.is_empty():
        reason = "No single errors above the baseline are at hand, so nothing could be compared"
        return Attribution("unknown", None, 0.5, [], [reason])
    scene = Scene(
        errors=errors,
        history=case.history,
        windows=case.windows,
        coverage=case.coverage,
        observed_s=max((case.now - case.first_seen).total_seconds(), 0.0),
        now=case.now,
    )
    signals = of_signals(errors)
    ranked = sorted((suspect(scene, window) for window in case.windows), key=_order)
    best = ranked[0] if ranked and not ranked[0].ruled_out else None
    about = [*best.arguments, *habit(scene)] if best else [_absence(case, ranked)]
    log_odds = _TEMPER * sum(argument.log_odds for argument in [*signals, *about])
    prior = sum(argument.log_odds for argument in signals)
    cause = _cause(errors, log_odds, prior, best)
    found = _attribution(cause, best, [*signals, *about], log_odds, ranked)
    if best and errors.frame["proxy"].null_count() == errors.frame.height:
        found.against.append("The input names no proxies, so only the timing could be compared")
    return found


def _order(one: Suspect) -> tuple[bool, float, datetime]:
    """By log odds, those ruled out last; earlier windows first among equals."""
    return one.ruled_out, -one.log_odds, one.window.started_at


def _absence(case: Case, ranked: Sequence[Suspect]) -> Argument:
    if ranked:
        return Argument(_NO_WINDOW, "No reconciliation window was open when the errors began")
    if case.coverage:
        return Argument(_NO_WINDOW, "The control plane changed nothing before the errors began")
    return Argument(_UNHEARD, _DEAF)


def _cause(errors: Errors, log_odds: float, prior: float, best: Suspect | None) -> Cause:
    if best is not None and log_odds > 0:
        return "control-plane"
    if from_clients(errors):
        return "client"
    silent = bool((errors.frame["signal"] == SILENT).all())  # nothing says who fell silent, or why
    return "unknown" if prior >= 1.0 or silent else "workload"


def _attribution(
    cause: Cause,
    best: Suspect | None,
    arguments: Sequence[Argument],
    log_odds: float,
    ranked: Sequence[Suspect],
) -> Attribution:
    blamed = cause == "control-plane"
    sign = 1.0 if blamed else -1.0
    weighed = sorted(arguments, key=lambda one: -abs(one.log_odds))
    evidence = [one.text for one in weighed if sign * one.log_odds > 0 and one.text != _DEAF]
    against = [one.text for one in weighed if sign * one.log_odds < 0 or one.text == _DEAF]
    if not blamed:
        evidence += [one.arguments[0].text for one in ranked[:3] if one.ruled_out]
        if cause == "unknown":
            evidence.append("No change explains this")
    against += [] if against else [_doubt(cause, best, ranked)]
    return Attribution(
        cause=cause,
        window=best.window if blamed and best else None,
        confidence=min(max(probability(sign * log_odds), 0.5), 0.99),
        evidence=evidence,
        against=against,
    )


def _doubt(cause: Cause, best: Suspect | None, ranked: Sequence[Suspect]) -> str:
    """The best argument against, when no single fact is one."""
    if cause == "control-plane":
        rivals = [one for one in ranked[1:] if not one.ruled_out and one.log_odds > -2.0]
        if rivals:
            return f"A {NAMES[rivals[0].window.kind]} was under way too and is not ruled out"
        if best is not None and best.compared > 2.0:
            return "Whatever else reached the proxies one by one at this pace would look the same"
        return "A failure of the workload at just this moment would look the same in these tests"
    if best is not None:
        return f"A {NAMES[best.window.kind]} was under way when the errors began"
    return "A change that no log or event told of cannot be excluded"
