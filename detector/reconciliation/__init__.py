"""Control-plane events in, the per-proxy ledger and reconciliation windows out."""

from __future__ import annotations

from detector.reconciliation.ledger import Ledger

__all__ = ["Ledger"]
