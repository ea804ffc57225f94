"""Known faults, as data, and which of them an incident shows."""

from __future__ import annotations

from detector.signatures.matching import catalogue, match

__all__ = ["catalogue", "match"]
