"""Run the detector over a simulated run and hold its incidents against the labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from detector.engine import Engine
from detector.incidents import IncidentBook
from detector.reconciliation import Ledger
from detector.settings import Settings
from detector.types import Incident
from pipelines.events import read_events

CLASSES = (("tiny", 0, 50), ("small", 50, 300), ("medium", 300, 3000), ("large", 3000, 10**9))
LEAD, TRAIL = timedelta(seconds=60), timedelta(minutes=15)


@dataclass
class Outcome:
    """What a run, or several together, came to."""

    weeks: float = 0.0
    found: list[tuple[dict[str, object], list[Incident]]] = field(default_factory=list)
    false: list[Incident] = field(default_factory=list)
    broken_silence: int = 0  # incidents about labels that ask for silence

    def add(self, other: Outcome) -> None:
        """Take in another run."""
        self.weeks += other.weeks
        self.found += other.found
        self.false += other.false
        self.broken_silence += other.broken_silence


def detect(folder: Path, settings: Settings) -> list[Incident]:
    """All incidents of a simulated run."""
    with (folder / "events.ndjson").open(encoding="utf-8") as file:
        events, _ = read_events(file)
    events = events.sort("time", maintain_order=True)
    engine, book = Engine(settings.detection), IncidentBook(settings.detection)
    ledger = Ledger(settings)
    known: dict[str, Incident] = {}
    done = 0
    times = events["time"]
    for path in sorted(folder.glob("rollup-*.parquet")):
        for bucket in engine.encode(pl.read_parquet(path)):
            end = bucket.start + engine.step
            upto = int(times.search_sorted(end, side="left"))
            ledger.step(events[done:upto], end)
            done = upto
            verdicts = engine.judge(bucket, ledger.windows(end - timedelta(minutes=2)))
            for change in book.step(end, verdicts, engine):
                known[change.incident.id] = change.incident
    return list(known.values())


def hold_against(incidents: list[Incident], folder: Path) -> Outcome:
    """Match incidents to the labels of ``folder`` by time and service.

    An incident is about a label when it was detected between a minute before the start of the
    fault and a quarter of an hour after its end, and names one of its services. Incidents about
    nothing are false, as are those about a label that asks for silence. The first incident about
    a label finds it, the others are duplicates.
    """
    lines = (folder / "truth.ndjson").read_text(encoding="utf-8").splitlines()
    labels = [json.loads(line) for line in lines]
    spans = pl.scan_parquet(folder / "rollup-*.parquet").select("time")
    first, last = spans.select(first=pl.min("time"), last=pl.max("time")).collect().row(0)
    outcome = Outcome(weeks=(last - first) / timedelta(weeks=1))
    owners = {one.id: _owner(one, labels) for one in incidents}
    for label in labels:
        about = [one for one in incidents if owners[one.id] == label["id"]]
        if label["should_alarm"]:
            outcome.found.append((label, sorted(about, key=lambda one: one.detected_at)))
        else:
            outcome.broken_silence += len(about)
            outcome.false += about
    outcome.false += [one for one in incidents if owners[one.id] is None]
    return outcome


def _owner(incident: Incident, labels: list[dict[str, object]]) -> object:
    """The label that an incident is about; of several, the one that began last."""
    about = [label for label in labels if _about(incident, label)]
    return max(about, key=lambda label: str(label["start"]))["id"] if about else None


def _about(incident: Incident, label: dict[str, object]) -> bool:
    start = datetime.fromisoformat(str(label["start"]))
    end = datetime.fromisoformat(str(label["end"]))
    services = label["services"]
    assert isinstance(services, list)
    return start - LEAD <= incident.detected_at <= end + TRAIL and bool(
        set(services) & {one.destination for one in incident.series}
    )


def figures(outcome: Outcome) -> dict[str, object]:
    """Recall by size, false incidents a week, delay and duplicates."""
    hits = [(label, about) for label, about in outcome.found if about]
    delays = [
        (about[0].detected_at - datetime.fromisoformat(str(label["start"]))).total_seconds()
        for label, about in hits
    ]
    by_size = {
        name: _share([bool(a) for b, a in outcome.found if low <= int(str(b["excess"])) < high])
        for name, low, high in CLASSES
    }
    kinds = sorted({str(label["kind"]) for label, _ in outcome.found})
    by_kind = {k: _share([bool(a) for b, a in outcome.found if b["kind"] == k]) for k in kinds}
    return {
        "weeks": round(outcome.weeks, 2),
        "labels": len(outcome.found),
        "recall": _share([bool(about) for _, about in outcome.found]),
        **by_size,
        "false_per_week": round(len(outcome.false) / max(outcome.weeks, 1e-9), 2),
        "delay_p50_s": float(np.quantile(delays, 0.5)) if delays else None,
        "delay_p90_s": float(np.quantile(delays, 0.9)) if delays else None,
        "incidents_per_hit": _share([len(about) for _, about in hits]),
        "by_kind": by_kind,
    }


def _share(values: list[bool] | list[int]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
