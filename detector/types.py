"""The facts that pass between the pure rooms of the detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

Cause = Literal["control-plane", "workload", "client", "unknown"]
Status = Literal["open", "worsening", "recovering", "resolved"]
Severity = Literal["info", "warning", "critical"]  # detector.incidents.severity
WindowKind = Literal[
    "upgrade",  # istiod of another version takes over the proxies
    "revision",  # proxies move to another revision of the control plane: a canary, a tag's move
    "restart",  # istiod of the same version starts anew, or scales
    "push",  # a full push of configuration
    "push-storm",
    "reconnect-storm",
    "nack",
    "rotation",  # CA or certificates
    "sidecar-rollout",
    "manual",
]


class Series(NamedTuple):
    """Who called whom, seen by which side, with what result."""

    reporter: str  # source | destination
    source: str  # workload.namespace, or "*" for an aggregate over sources
    destination: str  # service host, or "*" for an aggregate over destinations
    signal: str  # a response flag or a response code of 400 and above, as text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the engine says of one series in one bucket."""

    time: datetime  # end of the bucket: when it could first be known
    series: Series
    started_at: datetime  # estimated onset
    errors: float  # over the best scale's span
    requests: float
    expected: float
    upper: float  # the count that the baseline exceeds once in 1,000 such spans
    surprise: float  # -log10 of the expected number of such excesses a week on this series
    span_s: float  # the time scale that decided
    alarm: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A reconciliation window: a stretch in which proxies take on new configuration."""

    id: str
    kind: WindowKind
    started_at: datetime
    ended_at: datetime | None  # None while open
    from_version: str | None
    to_version: str | None
    revision: str | None
    expected: int  # proxies that should reconcile
    reconciled: dict[str, datetime]  # proxy ("pod.namespace") -> when it did
    failed: int  # of them, those that refused (NACK)
    reason: str  # in words: why this window was opened
    inferred: bool = False  # no control-plane source told; deduced from traffic
    affects_until: datetime | None = None  # when its effects are over; None while open
    stuck_since: datetime | None = None  # open, but nothing has moved since
    configuration: str | None = None  # the kind of configuration that a push brought


@dataclass(frozen=True, slots=True)
class Attribution:
    """The named cause, how sure, and why; ``against`` holds the best counter-argument first."""

    cause: Cause
    window: Window | None
    confidence: float
    evidence: list[str]
    against: list[str]


@dataclass(frozen=True, slots=True)
class Signature:
    """A known fault."""

    id: str
    title: str
    advice: str


class Share(NamedTuple):
    """What one service has of an incident."""

    errors: float
    requests: float
    expected: float

    @property
    def excess(self) -> float:
        """Errors beyond what the baselines expect; never negative."""
        return max(0.0, self.errors - self.expected)


@dataclass(slots=True)
class Incident:
    """One cause, one incident: who, what, since when, how much, why."""

    id: str
    status: Status
    detected_at: datetime
    started_at: datetime
    ended_at: datetime | None
    series: list[Series]  # members, largest excess first
    errors: float
    requests: float
    expected: float
    upper: float
    attribution: Attribution
    signature: Signature | None = None
    exemplars: list[str] = field(default_factory=list)  # redacted lines
    last_alarm_at: datetime | None = None
    severity: Severity = "info"  # the worst that it has been
    shares: dict[str, Share] = field(default_factory=dict)  # by destination

    @property
    def excess(self) -> float:
        """Errors beyond what the baselines expect; never negative."""
        return max(0.0, self.errors - self.expected)
