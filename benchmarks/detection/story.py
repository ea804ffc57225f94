"""What a story of a run is told in: signals, sizes, labels, events of the control plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

Signal = tuple[int, str]
SIZES = ((15, 50), (50, 300), (300, 3000), (3000, 20000))  # tiny, small, medium, large
CRASHES: tuple[Signal, ...] = (
    (503, "UF,URX"), (503, "UC"), (503, "-"), (500, "-"), (503, "UH"), (503, "UF,URX"),
)  # fmt: skip
ORPHANS: tuple[Signal, ...] = ((404, "NR"), (503, "NC"), (503, "NC"), (503, "UH"), (503, "UF,URX"))
SPACING = 360  # buckets between two stories


class Failing(NamedTuple):
    """How requests fail, and which share of them."""

    signal: Signal
    share: float


class At(NamedTuple):
    """Where an error happens."""

    bucket: int
    edge: int
    pod: int


@dataclass
class Label:
    """What happened, for the scorer."""

    kind: str
    cause: str
    start_s: float
    end_s: float
    services: set[str] = field(default_factory=set)
    signals: set[str] = field(default_factory=set)
    excess: int = 0
    should_alarm: bool = True
    first_s: float = math.inf  # bucket of the first error


@dataclass
class Story:
    """All events of the control plane and all labels of a run; times in seconds from its start."""

    events: list[dict[str, object]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def say(self, at_s: float, kind: str, **rest: object) -> None:
        """Note one control-plane event."""
        self.events.append({"at": at_s, "kind": kind, **rest})
