"""What really happened in a scenario, written down while it happens."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from detector.clock import now
from lab.mesh import SERVICES, Pod
from lab.running import Lab

BLUR = timedelta(seconds=3)
"""Entries carry the start of a request; a fault shows in those under way as well."""
FEWEST = 3
"""Failed requests from which a service counts as hit: fewer happen without any fault."""


class NoEffectError(Exception):
    """A fault that should show in the access logs did not: the scenario is broken."""


@dataclass
class Fault:
    """One labelled stretch of time."""

    id: str
    cause: str  # control-plane | workload | none
    flags: tuple[str, ...]  # response flags by which its failures are known
    start: datetime
    end: datetime | None = None
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)  # service, flag -> entries

    @property
    def alarms(self) -> bool:
        """Whether an incident is wanted."""
        return self.cause != "none"

    def label(self) -> dict[str, Any]:
        """In the shape that ``pushwake replay --truth`` reads."""
        hit = {service for (service, _), n in self.seen.items() if n >= FEWEST}
        names = {one.name: one.host for one in SERVICES}
        return {
            "id": self.id,
            "start": self.start.isoformat(),
            "end": (self.end or self.start).isoformat(),
            "services": sorted(names[name] for name in hit),
            "signals": sorted({flag for (_, flag), n in self.seen.items() if n >= FEWEST}),
            "cause": self.cause,
            "should_alarm": self.alarms,
        }


class Truth:
    """The labels of one run."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    @contextmanager
    def fault(self, name: str, cause: str, *flags: str) -> Iterator[Fault]:
        """A fault lasts as long as the block."""
        fault = Fault(name, cause, flags, now())
        self.faults.append(fault)
        try:
            yield fault
        finally:
            fault.end = now()

    def observe(self, lab: Lab) -> None:
        """Count what the proxies wrote while each fault lasted.

        Raises:
            NoEffectError: a fault that should show left no trace.
        """
        for pod in lab.mesh.pods:
            for entry in _entries(lab.log_of(pod, "json")):
                self._count(pod, entry)
        for fault in self.faults:
            if fault.alarms and not fault.label()["services"]:
                raise NoEffectError(f"{fault.id}: no entries with {', '.join(fault.flags)}")

    def write(self, path: Path) -> None:
        """One label a line."""
        path.write_text("".join(json.dumps(fault.label()) + "\n" for fault in self.faults))

    def _count(self, pod: Pod, entry: dict[str, Any]) -> None:
        flags = str(entry["response_flags"]).split(",")
        if flags == ["-"]:
            return
        at = datetime.fromisoformat(entry["start_time"])
        for fault in self.faults:
            if fault.start - BLUR <= at <= (fault.end or at) + BLUR:
                for flag in set(flags) & set(fault.flags):
                    fault.seen[_service(pod, entry), flag] += 1


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        yield from (json.loads(line) for line in lines if line.startswith("{"))


def _service(pod: Pod, entry: dict[str, Any]) -> str:
    """The service that a request was for."""
    cluster = str(entry["upstream_cluster"] or "")
    if cluster.startswith("outbound|"):
        return cluster.split("|")[3].partition(".")[0]
    if cluster.startswith("inbound|"):
        return pod.service.name
    name = str(entry["authority"] or "").partition(":")[0].partition(".")[0]
    return "frontend" if name == "shop" or not name else name


def wait(seconds: float) -> None:
    """Let the mesh run."""
    time.sleep(seconds)
