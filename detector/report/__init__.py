"""What people look at: the page, its charts, the terminal's tables, and their wording."""

from __future__ import annotations

from detector.report.page import IncidentDetail, InputSummary, Report, render

__all__ = ["IncidentDetail", "InputSummary", "Report", "render"]
