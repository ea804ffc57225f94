"""Silences: which incidents people do not want to hear of, until when (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detector.documents import IncidentDocument

LONGEST = timedelta(days=30)
"""A silence that outlasts those who remember it hides the next fault."""

Pattern = Annotated[
    str, Meta(min_length=1, max_length=253, description="A name; * stands for any text, ? for one.")
]
Patterns = Annotated[tuple[Pattern, ...], Meta(max_length=50)]
State = Literal["pending", "active", "ended"]


class Matcher(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents are meant: all of the fields that are given have to fit.

    A field fits when *every* name that the incident has there fits one of the patterns: an
    incident that reaches further than what was silenced is heard of.
    """

    service: Patterns = ()
    source: Patterns = ()
    namespace: Patterns = ()  # of the services
    signal: Patterns = ()  # response flag or code
    cause: Patterns = ()
    severity: Patterns = ()
    fault: Patterns = ()  # id of the known fault


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence; it holds from ``starts_at`` until before ``ends_at``, of the clock."""

    id: str
    matcher: Matcher
    reason: str
    owner: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime

    def state_at(self, now: datetime) -> State:
        """Whether it holds now, will, or did."""
        if now >= self.ends_at:
            return "ended"
        return "active" if now >= self.starts_at else "pending"


def is_empty(matcher: Matcher) -> bool:
    """Whether a matcher names nothing, and so would fit everything."""
    return not any(msgspec.structs.astuple(matcher))


def fits(matcher: Matcher, incident: IncidentDocument) -> bool:
    """Whether a matcher means an incident; an empty one means none."""
    names: tuple[tuple[Sequence[str], Sequence[str]], ...] = (
        (matcher.service, incident.services),
        (matcher.source, incident.sources),
        (matcher.namespace, [_namespace(host) for host in incident.services]),
        (matcher.signal, incident.signals),
        (matcher.cause, [incident.attribution.cause]),
        (matcher.severity, [incident.severity]),
        (matcher.fault, [incident.signature.id] if incident.signature else []),
    )
    return not is_empty(matcher) and all(
        bool(told) and all(_any(patterns, name) for name in told)
        for patterns, told in names
        if patterns
    )


def silencers(
    silences: Iterable[Silence], incident: IncidentDocument, now: datetime
) -> list[Silence]:
    """The silences that hold an incident back now."""
    return [
        one for one in silences if one.state_at(now) == "active" and fits(one.matcher, incident)
    ]


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _namespace(host: str) -> str:
    parts = host.partition(":")[0].split(".")
    return parts[1] if len(parts) > 1 else ""
