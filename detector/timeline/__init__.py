"""What changed when in the life of an incident, and which of it is told to people."""

from __future__ import annotations

from detector.timeline.chronicle import Chronicle
from detector.timeline.entries import TOLD, Entry, EntryKind, Notice, Reach
from detector.timeline.notices import notice, notices

__all__ = ["TOLD", "Chronicle", "Entry", "EntryKind", "Notice", "Reach", "notice", "notices"]
