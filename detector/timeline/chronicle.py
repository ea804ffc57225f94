"""Keeps the timelines: compares what is known of each incident with what was written last.

Entries carry event time and numbers within their incident, and the chronicle's state goes with
the worker's. So a replay writes the timeline that the live run wrote, and a step repeated after
a crash writes the same lines again, not further ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec

from detector.incidents import Change
from detector.incidents.book import ChangeKind
from detector.incidents.severity import rank
from detector.report import wording
from detector.report.phrases import percent
from detector.timeline.entries import Entry, EntryKind
from detector.types import Attribution, Incident, Severity, Signature

_KINDS: dict[ChangeKind, EntryKind] = {
    "open": "opened",
    "join": "joined",
    "worsen": "worsened",
    "recover": "recovering",
    "relapse": "relapsed",
    "resolve": "resolved",
}


class _Known(msgspec.Struct):
    """What the timeline says of an incident so far."""

    entries: int
    severity: Severity
    cause: tuple[str | None, ...]


class Chronicle:
    """The timelines' writer; entries wait in it until they are taken for the store.

    Attributes:
        heard: called at the end of every bucket with its entries. Who decides there what is told
            decides the same however buckets are spread over commits.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._entries: list[Entry] = []
        self._fresh = 0  # entries of the bucket under way
        self.heard: Callable[[Sequence[Entry]], None] = lambda _: None

    def note(self, now: datetime, changes: Sequence[Change]) -> None:
        """End a bucket: write down the book's changes, after their incidents were explained.

        Args:
            now: event time, the end of the bucket.
            changes: of that bucket.
        """
        for change in changes:
            self._add(now, _KINDS[change.kind], change.incident, change.reason)
        fresh, self._fresh = self._fresh, 0
        self.heard(self._entries[len(self._entries) - fresh :])

    def look(self, now: datetime, incident: Incident) -> None:
        """Write down what else has changed of an incident since its last entry."""
        known = self._known.get(incident.id)
        if known is None:
            return
        if rank(incident.severity) > rank(known.severity):
            words = f"{known.severity} became {incident.severity}"
            self._add(now, "severity", incident, words)
        if _cause(incident) != known.cause:
            self._add(now, "cause", incident, _named(incident.attribution, incident.signature))

    def take(self) -> list[Entry]:
        """The entries since the last call, in the order of their writing."""
        taken, self._entries, self._fresh = self._entries, [], 0
        return taken

    def forget(self, known: Collection[str]) -> None:
        """Drop what is kept of incidents that are not ``known`` any more."""
        self._known = {one: what for one, what in self._known.items() if one in known}

    def snapshot(self) -> bytes:
        """All that later entries depend on; entries not yet taken are no part of it."""
        return msgspec.msgpack.encode(self._known)

    def restore(self, data: bytes) -> None:
        """Take over a snapshot."""
        self._known = msgspec.msgpack.decode(data, type=dict[str, _Known])

    def _add(self, now: datetime, kind: EntryKind, incident: Incident, text: str) -> None:
        known = self._known.setdefault(incident.id, _Known(0, incident.severity, _cause(incident)))
        known.entries += 1
        if kind == "severity":
            known.severity = incident.severity
        if kind == "cause":
            known.cause = _cause(incident)
        self._fresh += 1
        self._entries.append(Entry.of(incident, known.entries, now, kind, text))


def _cause(incident: Incident) -> tuple[str | None, ...]:
    """What makes one answer another one; the confidence alone does not."""
    told, fault = incident.attribution, incident.signature
    return (told.cause, told.window.id if told.window else None, fault.id if fault else None)


def _named(told: Attribution, fault: Signature | None) -> str:
    words = f"{wording.because(told)} ({percent(told.confidence)} sure)"
    return f"{words}; known fault: {fault.title}" if fault else words
