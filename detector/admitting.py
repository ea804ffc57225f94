"""What a step of the worker says of faults that it had missed (pure)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from detector.documents import IncidentDocument
from detector.missed import MISSED, Miss, incident_of
from detector.store import Step
from detector.timeline import Entry, notices
from detector.types import Incident


def admit(step: Step, misses: Sequence[Miss], held: Callable[[IncidentDocument], bool]) -> Step:
    """A step that also holds an incident, with its timeline and its notice, for every miss.

    Args:
        step: what the worker found by itself.
        misses: those that no step has told of.
        held: whether nobody wants to hear of an incident.
    """
    incidents = [incident_of(one) for one in misses]
    entries = [_opening(one) for one in incidents]
    told = notices(entries, incidents, told=_nobody, held=held)
    return replace(
        step,
        incidents=[*step.incidents, *incidents],
        entries=[*step.entries, *entries],
        notices=[*step.notices, *told],
    )


def _nobody(_: Collection[str]) -> Collection[str]:
    return ()


def _opening(incident: Incident) -> Entry:
    text = f"{MISSED.title}; {incident.attribution.evidence[-1]}"
    return Entry.of(incident, 1, incident.detected_at, "opened", text)
