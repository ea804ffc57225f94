"""Verdicts in, incidents out: one cause, one incident."""

from __future__ import annotations

from detector.incidents.book import Change, IncidentBook
from detector.incidents.expectations import Expectation, expectation
from detector.incidents.revising import is_due

__all__ = ["Change", "Expectation", "IncidentBook", "expectation", "is_due"]
