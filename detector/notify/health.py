"""What the notifier says of itself to probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from detector.notify.courier import Courier, Standing
from detector.report.phrases import clock, duration, plural


@dataclass(slots=True)
class Health:
    """Plain facts, replaced one by one; readers on other threads see each whole."""

    phase: Literal["starting", "standby", "running", "stopping"] = "starting"
    trouble: str = ""
    couriers: Mapping[str, Courier] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it delivers; a channel that is stopped leaves the others ready."""
        return self.phase == "running"

    def lines(self) -> Iterator[str]:
        """The state and every channel, in words; a dash marks what needs somebody."""
        yield f"[{'+' if self.ready else '-'}] notifier {self.phase}{_after(self.trouble)}"
        for name, courier in self.couriers.items():
            yield told(name, courier.standing)


def told(name: str, standing: Standing) -> str:
    """A channel in one line."""
    waiting = "nothing waits"
    if standing.waiting:
        oldest = duration(timedelta(seconds=standing.oldest_s))
        waiting = f"{plural(standing.waiting, 'incident')} waiting, for {oldest} at most"
    if standing.problem:
        since = f" since {clock(standing.since)} UTC" if standing.since else ""
        return f"[-] channel {name} stopped{since}{_after(standing.problem)}; {waiting}"
    if standing.last:
        again = f", next try {clock(standing.retry_at)} UTC" if standing.retry_at else ""
        return f"[-] channel {name} held up{_after(standing.last)}{again}; {waiting}"
    return f"[+] channel {name}; {waiting}"


def _after(words: str) -> str:
    return f": {words}" if words else ""
