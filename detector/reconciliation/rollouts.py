"""What Kubernetes says of workloads: rollouts, scaling, pods that die. They explain errors, too."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec

from detector.reconciliation.events import Event

TOGETHER = timedelta(minutes=10)
"""Events of one workload closer together than this are one rollout."""

KEEP = timedelta(hours=4)
MAX_ROLLOUTS = 2_000


class WorkloadRollout(msgspec.Struct):
    """A stretch in which a workload's pods were changed, started, scaled or died."""

    workload: str  # name.namespace
    started_at: datetime
    latest: datetime
    reason: str  # what Kubernetes said first
    id: str
    events: int = 1


class Rollouts:
    """The rollouts of the last hours, by their start."""

    def __init__(self) -> None:
        self.state: list[WorkloadRollout] = []
        self._changed: dict[str, WorkloadRollout] = {}
        self._open: dict[str, WorkloadRollout] = {}

    def restore(self, state: list[WorkloadRollout]) -> None:
        """Take over the state of a snapshot."""
        self.state = state
        self._open = {rollout.workload: rollout for rollout in state}

    def take(self, event: Event) -> None:
        """Note what happened to a workload (``event.workload`` is set)."""
        workload = event.workload or ""
        known = self._open.get(workload)
        if known is not None and event.time - known.latest <= TOGETHER:
            known.latest = max(known.latest, event.time)
            known.started_at = min(known.started_at, event.time)
            known.events += 1
        else:
            known = WorkloadRollout(
                workload,
                event.time,
                event.time,
                event.reason or event.kind,
                _id(workload, event.time),
            )
            self.state.append(known)
            self._open[workload] = known
        self._changed[known.id] = known

    def take_changed(self) -> list[WorkloadRollout]:
        """Those that changed since the last call, as they are now."""
        changed, self._changed = list(self._changed.values()), {}
        return [msgspec.structs.replace(rollout) for rollout in changed]

    def trim(self, now: datetime) -> None:
        """Forget what is long over, and the oldest of too many."""
        kept = [rollout for rollout in self.state if now - rollout.latest <= KEEP]
        self.restore(kept[-MAX_ROLLOUTS:])

    def since(self, time: datetime) -> list[WorkloadRollout]:
        """Those that were going on at ``time`` or later."""
        return [rollout for rollout in self.state if rollout.latest >= time]


def _id(workload: str, time: datetime) -> str:
    """Equal when the same is read again."""
    return blake2b(f"{workload} {time.isoformat()}".encode(), digest_size=8).hexdigest()
