"""What outlives a process: incidents, state and read positions, in one transaction a step."""

from __future__ import annotations

from detector.store.store import Snapshot, Step, Store

__all__ = ["Snapshot", "Step", "Store"]
