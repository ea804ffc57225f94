"""Found incidents held against labelled ones: recall, precision, delay, attribution.

Both sides are plain documents, so that stored incidents can be scored as well as fresh ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from detector.errors import InputError

SLACK = timedelta(seconds=60)
"""How far an incident may lie outside its label and still be about it: one slow minute of
baseline and bucket blur. A label's own times are those of the fault, not of its last error."""

Document = Mapping[str, Any]


class Truth(msgspec.Struct, frozen=True):
    """One labelled incident; ``should_alarm`` false marks a stretch that must stay silent."""

    id: str
    start: datetime
    end: datetime
    cause: str
    services: list[str] = []
    signals: list[str] = []
    should_alarm: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A label and what was made of it."""

    truth: Truth
    incidents: tuple[Document, ...]  # all that are about it, earliest detection first
    delay_s: float | None  # from the label's start to the first detection
    cause: str | None  # as named by the one with the largest excess

    @property
    def found(self) -> bool:
        """Whether any incident is about this label."""
        return bool(self.incidents)

    @property
    def right(self) -> bool:
        """Found with the right cause; or, where nothing should be raised, silent."""
        if not self.truth.should_alarm:
            return not self.found
        return self.found and self.cause == self.truth.cause


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one replay against its labels."""

    matches: tuple[Match, ...]
    false: tuple[Document, ...]  # incidents about no label that should alarm

    @property
    def wanted(self) -> list[Match]:
        """Labels that should raise an incident."""
        return [m for m in self.matches if m.truth.should_alarm]

    @property
    def recall(self) -> float | None:
        """Share of wanted labels that were found; None without any."""
        return _share([m.found for m in self.wanted])

    @property
    def precision(self) -> float | None:
        """Share of incidents that are about a wanted label; None without incidents."""
        hits = {i["id"] for m in self.wanted for i in m.incidents}
        total = len(hits) + len(self.false)
        return len(hits) / total if total else None

    @property
    def attribution(self) -> float | None:
        """Share of found labels whose cause is right; None when nothing was found."""
        return _share([m.right for m in self.wanted if m.found])

    @property
    def delay_s(self) -> float | None:
        """Median seconds from a label's start to its first detection."""
        delays = [m.delay_s for m in self.wanted if m.delay_s is not None]
        return median(delays) if delays else None

    def as_dict(self) -> dict[str, Any]:
        """The figures as one JSON object."""
        return {
            "labels": len(self.wanted),
            "found": sum(m.found for m in self.wanted),
            "recall": self.recall,
            "precision": self.precision,
            "false_incidents": len(self.false),
            "duplicates": sum(max(0, len(m.incidents) - 1) for m in self.wanted),
            "delay_s": self.delay_s,
            "attribution": self.attribution,
        }


def read_truth(path: Path) -> list[Truth]:
    """Labels from NDJSON.

    Raises:
        InputError: the file cannot be read, or a line is no label; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the labels: {error}", where=str(path), advice="Name an NDJSON file"
        ) from error
    labels = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            labels.append(msgspec.json.decode(line, type=Truth))
        except msgspec.DecodeError as error:
            raise InputError(
                f"not a label ({error})",
                where=f"{path}, line {number}",
                advice="Each line needs id, start, end and cause",
            ) from error
    return labels


def score(incidents: Iterable[Document], truths: Sequence[Truth]) -> Score:
    """Match incidents to labels by time, service and signal."""
    found = list(incidents)
    matches = tuple(_match(truth, found) for truth in truths)
    explained = {i["id"] for m in matches if m.truth.should_alarm for i in m.incidents}
    return Score(matches, tuple(i for i in found if i["id"] not in explained))


def _match(truth: Truth, incidents: Sequence[Document]) -> Match:
    about = sorted(
        (i for i in incidents if _about(truth, i)), key=lambda i: (_at(i["detected_at"]), i["id"])
    )
    if not about:
        return Match(truth, (), None, None)
    delay = (_at(about[0]["detected_at"]) - truth.start).total_seconds()
    largest = max(about, key=lambda i: float(i["excess"]))
    return Match(truth, tuple(about), delay, str(largest["attribution"]["cause"]))


def _about(truth: Truth, incident: Document) -> bool:
    end = incident["ended_at"]
    in_time = _at(incident["started_at"]) <= truth.end + SLACK and (
        end is None or _at(end) >= truth.start - SLACK
    )
    services, signals = set(truth.services), set(truth.signals)
    return (
        in_time
        and (not services or bool(services & set(incident["services"])))
        and (not signals or bool(signals & set(incident["signals"])))
    )


def _at(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _share(outcomes: Sequence[bool]) -> float | None:
    return sum(outcomes) / len(outcomes) if outcomes else None
