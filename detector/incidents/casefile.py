"""One incident under way: its members and their running totals."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import msgspec

from detector.engine import Engine
from detector.engine.series import CONTROL_SIGNALS
from detector.incidents.grouping import SPREAD
from detector.incidents.severity import severity, worse
from detector.types import Attribution, Incident, Series, Share, Verdict

WORSE = 2.0  # times the excess at the last notice
BLIND_AT_MOST = timedelta(minutes=30)  # then the traffic is gone, not the data
WORSE_AT_LEAST = 20.0  # and this many errors more


@dataclass(slots=True)
class Member:
    """A series of an incident, counted from its onset on."""

    series: Series
    errors: float
    requests: float
    expected: float
    slack: float  # upper bound minus expectation, at the last verdict
    alarmed: bool  # or merely attached


class CaseState(msgspec.Struct):
    """A case as a snapshot keeps it."""

    incident: Incident
    last_alarm: datetime
    last_excess: datetime
    blind: timedelta
    noticed: float
    members: list[Member]


class Case:
    """An incident with what is needed to carry it on."""

    def __init__(self, incident: Incident, last_alarm: datetime) -> None:
        self.incident = incident
        self.last_alarm = last_alarm
        self.last_excess = last_alarm
        self.blind = timedelta()  # time without data
        self.noticed = 0.0  # excess at the last notice
        self.members: dict[Series, Member] = {}

    @classmethod
    def opened(cls, name: str, verdict: Verdict, engine: Engine) -> Self:
        """A new case with the series of ``verdict`` as its first member."""
        incident = Incident(
            id=name,
            status="open",
            detected_at=verdict.time,
            started_at=verdict.started_at,
            ended_at=None,
            series=[],
            errors=0.0,
            requests=0.0,
            expected=0.0,
            upper=0.0,
            attribution=Attribution("unknown", None, 0.0, [], []),
        )
        case = cls(incident, verdict.time)
        case.admit(verdict, engine)
        case.alarm(verdict)
        case.total()
        case.noticed = incident.excess
        return case

    def state(self) -> CaseState:
        """Everything that later changes depend on."""
        members = list(self.members.values())
        return CaseState(
            self.incident, self.last_alarm, self.last_excess, self.blind, self.noticed, members
        )

    @classmethod
    def of(cls, state: CaseState) -> Self:
        """The case that `state` described."""
        case = cls(state.incident, state.last_alarm)
        case.last_excess, case.blind, case.noticed = state.last_excess, state.blind, state.noticed
        case.members = {member.series: member for member in state.members}
        return case

    @property
    def destinations(self) -> set[str]:
        """Destinations of the members in alarm."""
        return {member.series.destination for member in self.members.values() if member.alarmed}

    @property
    def reconciles(self) -> bool:
        """Whether a signal of reconciliation is in alarm."""
        return any(m.alarmed and m.series.signal in CONTROL_SIGNALS for m in self.members.values())

    def is_about(self, verdict: Verdict) -> bool:
        """Whether the series has alarmed here, or is attached while the alarms go on."""
        member = self.members.get(verdict.series)
        return member is not None and (member.alarmed or verdict.time - self.last_alarm <= SPREAD)

    def admit(self, verdict: Verdict, engine: Engine) -> None:
        """Make the series of ``verdict`` a member, with its counts since its onset."""
        counts = engine.tally(verdict.series, verdict.started_at)
        self.members[verdict.series] = Member(
            verdict.series, *counts, slack=verdict.upper - verdict.expected, alarmed=False
        )

    def alarm(self, verdict: Verdict) -> None:
        """Note an alarm of a member."""
        member = self.members[verdict.series]
        member.alarmed = True
        member.slack = max(member.slack, verdict.upper - verdict.expected)
        self.last_alarm = self.incident.last_alarm_at = verdict.time
        self.incident.started_at = min(self.incident.started_at, verdict.started_at)

    def count(self, engine: Engine, since: datetime) -> None:
        """Add the bucket that started at ``since`` to the members' totals.

        A bucket without any request is missing data, not recovery: the time does not count.
        """
        errors = expected = requests = 0.0
        for member in self.members.values():
            counts = engine.tally(member.series, since)
            member.errors += counts.errors
            member.requests += counts.requests
            member.expected += counts.expected
            requests += counts.requests
            if member.alarmed:
                errors += counts.errors
                expected += counts.expected
        if requests == 0 and self.blind < BLIND_AT_MOST:
            self.blind += engine.step
            self.last_alarm += engine.step
        if errors - expected > 2.0 * math.sqrt(expected + 0.05):
            self.last_excess = since + engine.step

    def total(self) -> None:
        """Bring the incident's own figures up to date."""
        sides: defaultdict[tuple[str, str], list[Member]] = defaultdict(list)
        for member in self.members.values():
            sides[member.series.destination, member.series.reporter].append(member)
        told = [
            max(
                (sides[one, side] for side in ("source", "destination") if (one, side) in sides),
                key=lambda members: sum(member.errors for member in members),
            )
            for one in sorted({destination for destination, _ in sides})
        ]
        heard = [member for members in told for member in members]
        incident = self.incident
        shares = [_share(members) for members in told]
        incident.shares = {
            members[0].series.destination: share
            for members, share in zip(told, shares, strict=True)
        }
        incident.errors = sum(share.errors for share in shares)
        incident.expected = sum(share.expected for share in shares)
        incident.requests = sum(share.requests for share in shares)
        incident.upper = incident.expected + math.hypot(*(member.slack for member in heard))
        now = severity(incident.excess, incident.requests)
        incident.severity = worse(incident.severity, now)
        order = sorted(self.members.values(), key=lambda m: (m.expected - m.errors, m.series))
        incident.series = [member.series for member in order]

    def has_doubled(self) -> bool:
        """Whether the excess has doubled since the last notice, which this then is."""
        excess = self.incident.excess
        if excess < max(WORSE * self.noticed, self.noticed + WORSE_AT_LEAST):
            return False
        self.noticed = excess
        return True


def _share(members: list[Member]) -> Share:
    """The sums of members that tell of one destination from one side."""
    edges: dict[tuple[str, str, str], float] = {}
    for member in members:
        edge = member.series[:3]
        edges[edge] = max(edges.get(edge, 0.0), member.requests)
    errors = sum(member.errors for member in members)
    expected = sum(member.expected for member in members)
    return Share(errors, max(sum(edges.values()), errors), expected)
