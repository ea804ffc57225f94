"""Known faults, as data, and which of them an incident shows."""

from __future__ import annotations

from detector.signatures.faults import Fault
from detector.signatures.matching import catalogue, match
from detector.signatures.selection import offered, selected

__all__ = ["Fault", "catalogue", "match", "offered", "selected"]
