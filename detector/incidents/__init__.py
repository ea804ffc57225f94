"""Verdicts in, incidents out: one cause, one incident."""

from __future__ import annotations

from detector.incidents.book import Change, IncidentBook

__all__ = ["Change", "IncidentBook"]
