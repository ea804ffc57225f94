"""Run the detector over a simulated run and hold its incidents against the labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from detector.replaying import Inputs, replay
from detector.settings import Settings
from detector.types import Incident

LEAD, TRAIL = timedelta(seconds=60), timedelta(minutes=15)

Label = dict[str, object]


@dataclass
class Outcome:
    """What a run, or several together, came to."""

    weeks: float = 0.0
    found: list[tuple[Label, list[Incident]]] = field(default_factory=list)
    false: list[Incident] = field(default_factory=list)
    why: list[str] = field(default_factory=list)  # what ordinary thing each false one was about

    def add(self, other: Outcome) -> None:
        """Take in another run."""
        self.weeks += other.weeks
        self.found += other.found
        self.false += other.false
        self.why += other.why


def detect(folder: Path, settings: Settings) -> list[Incident]:
    """All incidents of a simulated run, as ``pushwake replay --rollups`` gives them."""
    inputs = Inputs(
        rollups=[str(folder / "rollup-*.parquet")], control=[str(folder / "events.ndjson")]
    )
    return list(replay(inputs, settings, lambda _: None).worker.incidents)


def hold_against(incidents: list[Incident], folder: Path) -> Outcome:
    """Match incidents to the labels of ``folder`` by time and service.

    An incident is about a label when it was detected between a minute before the start of the
    fault and a quarter of an hour after its end, and names one of its services. Incidents about
    nothing are false, as are those about a label that asks for silence. The first incident about
    a label finds it, the others are duplicates.
    """
    labels, ordinary = _lines(folder / "truth.ndjson"), _lines(folder / "ordinary.ndjson")
    spans = pl.scan_parquet(folder / "rollup-*.parquet").select("time")
    first, last = spans.select(first=pl.min("time"), last=pl.max("time")).collect().row(0)
    outcome = Outcome(weeks=(last - first) / timedelta(weeks=1))
    owners = {one.id: _owner(one, labels) for one in incidents}
    for label in labels:
        about = [one for one in incidents if owners[one.id] == label["id"]]
        if label["should_alarm"]:
            outcome.found.append((label, sorted(about, key=lambda one: one.detected_at)))
        else:
            outcome.false += about
            outcome.why += [str(label["kind"])] * len(about)
    stray = [one for one in incidents if owners[one.id] is None]
    outcome.false += stray
    outcome.why += [_reason(one, ordinary) for one in stray]
    return outcome


def _lines(path: Path) -> list[Label]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _owner(incident: Incident, labels: list[Label]) -> object:
    """The label that an incident is about; of several, the one that began last."""
    about = [label for label in labels if _about(incident, label)]
    return max(about, key=lambda label: str(label["start"]))["id"] if about else None


def _reason(incident: Incident, ordinary: list[Label]) -> str:
    """What ordinary things an incident may be about."""
    return ", ".join(sorted({str(one["kind"]) for one in ordinary if _about(incident, one)}))


def _about(incident: Incident, label: Label) -> bool:
    start = datetime.fromisoformat(str(label["start"]))
    end = datetime.fromisoformat(str(label["end"]))
    services = label["services"]
    assert isinstance(services, list)
    return start - LEAD <= incident.detected_at <= end + TRAIL and bool(
        set(services) & {one.destination for one in incident.series}
    )
