"""Control-plane events in, the per-proxy ledger and reconciliation windows out."""

from __future__ import annotations

from detector.reconciliation.inference import Inference
from detector.reconciliation.ledger import Ledger
from detector.reconciliation.marks import KINDS as MARK_KINDS
from detector.reconciliation.marks import Mark, window_of
from detector.reconciliation.rollouts import WorkloadRollout
from detector.reconciliation.rows import (
    IstiodRow,
    LedgerRows,
    ProxyRow,
    Stale,
    newest_version,
    stale,
)

__all__ = [
    "MARK_KINDS",
    "Inference",
    "IstiodRow",
    "Ledger",
    "LedgerRows",
    "Mark",
    "ProxyRow",
    "Stale",
    "WorkloadRollout",
    "newest_version",
    "stale",
    "window_of",
]
