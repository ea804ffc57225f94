"""Verdicts and open incidents in, changes out: a state machine without a clock.

An incident opens with an alarm that belongs to no other (`detector.incidents.grouping`), is
worsening when its excess doubles, recovering after a while without alarms, and resolved after a
longer one. Its end is the last bucket with an excess, not the moment at which that was certain.

Totals: the errors of a destination are those told by its callers or those told by itself,
whichever are more, since both sides may log the same failed request. They run from the onset;
what lies further back than half an hour before the alarm is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import msgspec

from detector.engine import Engine
from detector.incidents.casefile import Case, CaseState
from detector.incidents.expectations import Expectation, foreseen
from detector.incidents.grouping import belongs, divided, under_way
from detector.settings import DetectionSettings
from detector.types import Incident, Verdict, Window

ChangeKind = Literal["open", "join", "worsen", "recover", "relapse", "resolve"]
GROWING = 2  # buckets without an alarm after which an incident no longer counts as growing
KEPT = 1000  # resolved incidents remembered; the store holds them all


@dataclass(frozen=True, slots=True)
class Change:
    """One step in the life of an incident."""

    kind: ChangeKind
    incident: Incident
    reason: str


class IncidentBook:
    """All incidents, open and recently resolved.

    Args:
        settings: When an incident recovers and resolves.
    """

    def __init__(self, settings: DetectionSettings) -> None:
        self._recover = timedelta(seconds=settings.recover_s)
        self._resolve = timedelta(seconds=settings.resolve_s)
        self._step = timedelta(seconds=settings.bucket_s)
        self._cases: list[Case] = []
        self.expectations: Sequence[Expectation] = ()  # from outside, as people stand by them
        self._foreseen: Counter[str] = Counter()  # alarms that opened nothing, by expectation

    @property
    def incidents(self) -> list[Incident]:
        """Open and recently resolved incidents, by detection."""
        return [case.incident for case in self._cases]

    def step(self, now: datetime, verdicts: Sequence[Verdict], engine: Engine) -> list[Change]:
        """Take in the verdicts of one bucket.

        Args:
            now: End of the bucket.
            verdicts: As `Engine.judge` gave them.
            engine: Has just judged the bucket.
        """
        live = [case for case in self._cases if case.incident.status != "resolved"]
        for case in live:
            case.count(engine, now - self._step)
        changes = self._place([one for one in verdicts if one.alarm], live, engine)
        for verdict in verdicts:
            if not verdict.alarm:
                self._attach(verdict, live, engine)
        for case in live:
            case.total()
            change = self._move(case, now, engine.windows)
            changes += [change] if change else []
        self._forget()
        return changes

    def take_foreseen(self) -> dict[str, int]:
        """Alarms since the last call that opened nothing, by the incident called expected."""
        taken, self._foreseen = dict(self._foreseen), Counter()
        return taken

    def snapshot(self) -> bytes:
        """All incidents with what is needed to carry them on."""
        return msgspec.msgpack.encode([case.state() for case in self._cases])

    def restore(self, data: bytes) -> None:
        """Take over a snapshot.

        Raises:
            ValueError: If ``data`` is no snapshot of incidents.
        """
        try:
            states = msgspec.msgpack.decode(data, type=list[CaseState])
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a snapshot of incidents: {error}") from error
        self._cases = [Case.of(state) for state in states]

    def _place(self, alarms: Sequence[Verdict], live: list[Case], engine: Engine) -> list[Change]:
        """Give alarms to the incidents that they belong to; open some for those that are left.

        One that opens an incident is joined first by all that belong to it, directly or through
        each other. So the order of the alarms of a bucket decides nothing.
        """
        changes, left = self._gather(alarms, live, live, engine)
        while left:
            verdict, *left = left
            if (known := foreseen(verdict, engine.windows, self.expectations)) is not None:
                self._foreseen[known.incident_id] += 1
                continue
            verdict = _apart(verdict, None, live, self._step)
            case = Case.opened(_identity(verdict, self._step), verdict, engine)
            live.append(case)
            self._cases.append(case)
            reason = f"{verdict.series.signal} beyond its baseline"
            changes.append(Change("open", case.incident, reason))
            joined, left = self._gather(left, [case], live, engine)
            changes += joined
        return changes

    def _gather(
        self, alarms: Sequence[Verdict], cases: Sequence[Case], live: list[Case], engine: Engine
    ) -> tuple[list[Change], list[Verdict]]:
        """Let all alarms that belong to one of these incidents join it; and those that are left."""
        changes: list[Change] = []
        left, before = list(alarms), len(alarms) + 1
        while left and len(left) < before:
            before, alarms, left = len(left), left, []
            for verdict in alarms:
                joined = self._join(verdict, cases, live, engine)
                if joined is None:
                    left.append(verdict)
                else:
                    changes += joined
        return changes, left

    def _join(
        self, verdict: Verdict, cases: Sequence[Case], live: list[Case], engine: Engine
    ) -> list[Change] | None:
        """Give an alarm to the incident that it belongs to; None when it belongs to none."""
        near = [
            case
            for case in sorted(cases, key=lambda one: one.last_alarm, reverse=True)
            if not divided(verdict.series, verdict.time, case.last_alarm, engine.windows)
        ]
        for case in near:
            if case.is_about(verdict):
                case.alarm(_apart(verdict, case, live, self._step))
                return []
        for case in near:
            reason = belongs(
                verdict.series,
                [one.series for one in case.members.values() if one.alarmed],
                pause=verdict.time - case.last_alarm,
                age=verdict.time - case.incident.detected_at,
                same_window=under_way(case.incident.started_at, engine.windows),
            )
            if reason is not None:
                told = _apart(verdict, case, live, self._step)
                case.admit(told, engine)
                case.alarm(told)
                return [Change("join", case.incident, reason)]
        return None

    def _attach(self, verdict: Verdict, live: list[Case], engine: Engine) -> None:
        """Let a weaker series of a destination in alarm take part, without a say of its own."""
        for case in live:
            if verdict.series in case.members:
                return
        for case in live:
            recent = verdict.time - case.last_alarm <= self._recover
            if recent and verdict.series.destination in case.destinations:
                case.admit(verdict, engine)
                return

    def _move(self, case: Case, now: datetime, windows: Sequence[Window]) -> Change | None:
        """Let the status of a case follow its alarms.

        An incident of reconciliation stays open while the window it began in does: the next
        proxy may take its turn after minutes of quiet.
        """
        incident, quiet = case.incident, now - case.last_alarm
        words = f"no alarm for {quiet.total_seconds():.0f} s"
        held = case.reconciles and under_way(incident.started_at, windows)
        if quiet >= self._resolve and not held:
            incident.status, incident.ended_at = "resolved", case.last_excess
            return Change("resolve", incident, words)
        if quiet >= self._recover:
            before, incident.status = incident.status, "recovering"
            incident.ended_at = case.last_excess
            return None if before == "recovering" else Change("recover", incident, words)
        incident.ended_at = None
        if case.has_doubled():
            incident.status = "worsening"
            return Change("worsen", incident, f"{incident.excess:.0f} errors beyond expectation")
        stopped = incident.status == "worsening" and quiet >= GROWING * self._step
        before = incident.status
        if before == "recovering" or stopped:
            incident.status = "open"
        return Change("relapse", incident, "alarms again") if before == "recovering" else None

    def _forget(self) -> None:
        """Keep the latest `KEPT` resolved incidents."""
        resolved = [case for case in self._cases if case.incident.status == "resolved"]
        for case in resolved[:-KEPT]:
            self._cases.remove(case)


def _apart(verdict: Verdict, case: Case | None, live: Sequence[Case], step: timedelta) -> Verdict:
    """The verdict, with an onset after the end of other incidents that told of its series."""
    ends = [one.last_excess for one in live if one is not case and verdict.series in one.members]
    onset = min(max([verdict.started_at, *ends]), verdict.time - step)
    return replace(verdict, started_at=onset)


def _identity(verdict: Verdict, step: timedelta) -> str:
    """A name made of facts, so that a replay gives the same one."""
    onset = int(verdict.started_at.timestamp()) // int(step.total_seconds())
    facts = f"{onset}|{verdict.series.signal}|{verdict.series.destination}"
    return sha256(facts.encode()).hexdigest()[:12]
