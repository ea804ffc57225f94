"""Commits steps for ever, step n saying n everywhere; to be killed. Run with a store's address."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import count

from detector.settings import StoreSettings
from detector.store import Step, Store
from detector.types import Attribution, Incident

START = datetime(2026, 3, 1, tzinfo=UTC)


def incident(number: int, errors: int) -> Incident:
    """Incident ``number``, which has so many errors."""
    return Incident(
        id=f"incident-{number}",
        status="open",
        detected_at=START,
        started_at=START,
        ended_at=None,
        series=[],
        errors=errors,
        requests=errors,
        expected=0,
        upper=0,
        attribution=Attribution("unknown", None, 0.0, [], []),
    )


def step(number: int) -> Step:
    """Writes ``number`` to two incidents, two states, two offsets, the rejects and the time."""
    return Step(
        incidents=[incident(number % 5, number), incident(100 + number, number)],
        states={"bank": b"%d" % number * 2000, "book": b"%d" % number},
        offsets={("a.log", 0): number, ("b.log", 0): 2 * number},
        rejects={"garbage": 1},
        time=START + timedelta(seconds=number),
    )


def main(url: str) -> None:
    """Go on behind the last committed step."""
    store = Store.open(url, settings=StoreSettings(lease_s=0.001))
    snapshot = store.load()
    for number in count(1 if snapshot is None else snapshot.steps + 1):
        store.commit(step(number))
        print("committed", flush=True)  # noqa: T201 - tells the parent that it may kill now


if __name__ == "__main__":
    main(sys.argv[1])
