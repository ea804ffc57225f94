"""What a running worker says of itself: read by probes and metrics, written by the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Phase = Literal["starting", "standby", "learning", "live", "stopping"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the worker held at a commit."""

    counts: Mapping[str, int] = field(default_factory=dict)  # `pipelines.careful.Parsed.counts`
    late: int = 0
    series: int = 0
    evicted: int = 0
    refused: int = 0
    proxies: int = 0
    open_by_cause: Mapping[str, int] = field(default_factory=dict)
    conditions: Mapping[str, int] = field(default_factory=dict)  # of the input, on, by kind
    state_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Status:
    """Plain facts, replaced one by one; readers on other threads see each whole."""

    phase: Phase = "starting"
    since: datetime | None = None
    turned_s: float | None = None  # the loop's last turn, of the monotonic clock
    committed_at: datetime | None = None
    event_time: datetime | None = None  # up to where all is judged
    furthest: datetime | None = None  # of what was read
    lag: int | None = None
    lags: dict[tuple[str, int], int] = field(default_factory=dict)
    records: int = 0
    per_s: float = 0.0  # records a second, over the last step
    losses: int = 0  # offsets that were not read
    facts: Facts = field(default_factory=Facts)

    def catch_up_s(self) -> float | None:
        """Seconds until the backlog is read at the present speed; None when that is unknown."""
        if self.lag is None or (self.lag and not self.per_s):
            return None
        return self.lag / self.per_s if self.lag else 0.0
