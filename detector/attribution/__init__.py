"""Why an incident happened, how sure that is, and what speaks against it."""

from __future__ import annotations

from detector.attribution.cause import Case, explain

__all__ = ["Case", "explain"]
