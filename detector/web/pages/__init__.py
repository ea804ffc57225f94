"""The pages that people look at, rendered here from what the worker published."""

from __future__ import annotations

from detector.web.pages.preparing import prepare
from detector.web.pages.refusing import refusal
from detector.web.pages.routes import router

__all__ = ["prepare", "refusal", "router"]
