"""A day of a large mesh, and its worst minute: ``python -m benchmarks.ledger``.

The day has what goes on all the time (connections that age, endpoints, pods that come and go) and
a few changes of the control plane. Only these may become windows. The storm is every proxy of a
mesh reconnecting within a minute, as istiod's log tells of it.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import polars as pl

from detector.reconciliation import Ledger
from detector.settings import Settings
from detector.types import Window
from pipelines import schema
from pipelines.batch import Batch
from pipelines.parse import Parser

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
AGE_S = 1800.0
TYPES = ("CDS", "EDS", "LDS", "RDS")
STEP_S = 10
Row = tuple[object, ...]
_COLUMNS = list(schema.CONTROL)


@dataclass
class Day:
    """A day of a mesh as control-plane events, and what really happened.

    Args:
        proxies: how many there are at the start.
        hours: length.
        seed: same seed, same day.
    """

    proxies: int = 5000
    hours: float = 24.0
    seed: int = 1
    truth: list[tuple[str, float, float]] = field(default_factory=list)  # kind, start, end

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._version, self._revision = "1.22.3", "stable"
        self._istiods = [f"istiod-6b9f8c5d7-{n}xk2p" for n in range(3)]
        self._rows: list[Row] = []

    def events(self) -> pl.DataFrame:
        """All events, by time; fills ``truth``."""
        end, hour = self.hours * 3600, self.hours * 150  # an hour of a day of 24
        names = [f"svc{n % 400:03d}-7d9f8b6c5d-{n:05d}.ns{n % 40}" for n in range(self.proxies)]
        cuts = [(4 * hour, self._roll), (10 * hour, self._upgrade), (16 * hour, self._canary)]
        for name in names:
            self._live(name, -self._chance.uniform(0, AGE_S), end, cuts)
        self._scale(end)
        self._push_endpoints(end)
        for at, change in cuts:
            change(at, names)
        for at in (2 * hour, 7 * hour, 13 * hour, 20 * hour):
            self._push(at, names)
        frame = pl.DataFrame(
            [row for row in self._rows if 0 <= self._offset(row) < end],
            schema=schema.CONTROL,
            orient="row",
        )
        self.truth.sort(key=lambda told: told[1])
        return frame.sort("time", maintain_order=True)

    def _offset(self, row: Row) -> float:
        time = row[0]
        assert isinstance(time, datetime)
        return (time - BEGIN).total_seconds()

    def _say(self, at: float, kind: str, proxy: str | None = None, **rest: object) -> None:
        known = {"time": BEGIN + timedelta(seconds=at), "kind": kind, "proxy": proxy, **rest}
        self._rows.append(tuple(known.get(name) for name in _COLUMNS))

    def _connect(self, at: float, name: str, istiod: str, version: str, revision: str) -> None:
        told: dict[str, Any] = {"istiod": istiod, "version": version, "revision": revision}
        told["source"] = "istiod-log"
        self._say(at - 0.3, "disconnect", name, istiod=istiod, source="istiod-log")
        self._say(at, "connect", name, **told)
        for number, kind in enumerate(TYPES):
            self._say(at + 0.02 * number, "push", name, type=kind, request=True, **told)

    def _live(
        self, name: str, start: float, end: float, cuts: Iterable[tuple[float, object]]
    ) -> None:
        """Reconnect at the age of half an hour, give or take; the changes tell of their own."""
        at, changes = start, [when for when, _ in cuts]
        while at < end:
            if not any(when <= at < when + 900 for when in changes):
                self._connect(at, name, *self._plane(at, name, changes))
            at += AGE_S * self._chance.uniform(0.9, 1.1)

    def _plane(self, at: float, name: str, changes: list[float]) -> tuple[str, str, str]:
        """The istiod, version and revision that a proxy comes back to."""
        if at > changes[2] and int(name.partition(".")[0][-5:]) % 20 == 0:
            return "canary-1", "1.24.0", "canary"
        istiod = self._chance.choice(self._istiods)
        late = at >= changes[1]
        return (f"{istiod}-b" if late else istiod), ("1.23.0" if late else "1.22.3"), "stable"

    def _roll(self, at: float, names: list[str]) -> None:
        """Istiod's pods are replaced one after another; the proxies of each go to the others."""
        last = at
        for number, istiod in enumerate(self._istiods):
            begin = at + 20 * number
            self._say(begin, "control-plane-start", istiod=istiod, version="1.22.3")
            for name in names[number::3]:
                moved = begin + self._chance.uniform(1, 15)
                self._connect(moved, name, istiod, "1.22.3", "stable")
                last = max(last, moved)
        self.truth.append(("restart", at, last))

    def _upgrade(self, at: float, names: list[str]) -> None:
        last = at
        for istiod in self._istiods:
            self._say(at, "control-plane-start", istiod=f"{istiod}-b", version="1.23.0")
        self._istiods = [f"{istiod}-b" for istiod in self._istiods]
        for name in names:
            moved = at + 10 + self._chance.uniform(0, 300)
            istiod = self._chance.choice(self._istiods)
            self._connect(moved, name, istiod, "1.23.0", "stable")
            last = max(last, moved)
        self.truth.append(("upgrade", at, last))

    def _canary(self, at: float, names: list[str]) -> None:
        """A twentieth of the mesh moves to another revision, and stays there."""
        self._say(at, "control-plane-start", istiod="canary-1", version="1.24.0", revision="canary")
        last = at
        for name in names[::20]:
            moved = at + 30 + self._chance.uniform(0, 300)
            self._connect(moved, name, "canary-1", "1.24.0", "canary")
            last = max(last, moved)
        self.truth.append(("revision", at + 30, last))

    def _push(self, at: float, names: list[str]) -> None:
        self._say(at, "config-change", reason="VirtualService/shop/cart", istiod=self._istiods[0])
        last = at
        for istiod in self._istiods:
            self._say(at + 0.1, "push", istiod=istiod, full=True, proxies=len(names) // 3)
        for name in names:
            got = at + 0.2 + self._chance.uniform(0, 3)
            self._say(got, "push", name, type="CDS", full=True, source="istiod-log")
            last = max(last, got)
        self.truth.append(("push", at + 0.1, last))

    def _scale(self, end: float) -> None:
        """An autoscaler adds and removes pods all day."""
        at, number = 0.0, 0
        while at < end:
            at += self._chance.expovariate(1 / 20)
            name = f"svc{number % 400:03d}-7d9f8b6c5d-h{number:05d}.ns{number % 40}"
            version = "1.22.3" if at < self.hours * 1500 else "1.23.0"
            self._connect(at, name, self._chance.choice(self._istiods), version, "stable")
            gone = at + self._chance.expovariate(1 / 1200)
            self._say(gone, "disconnect", name, source="istiod-log")
            number += 1

    def _push_endpoints(self, end: float) -> None:
        at = 0.0
        while at < end:
            at += self._chance.expovariate(1 / 4)
            self._say(at, "push", istiod=self._chance.choice(self._istiods), full=False, type="EDS")


def steps(events: pl.DataFrame, step_s: float = STEP_S) -> Iterator[tuple[pl.DataFrame, datetime]]:
    """The events in the portions in which the worker passes them on."""
    times = events["time"]
    first, last = times.to_list()[0], times.to_list()[-1]
    done, now = 0, first
    while now <= last:
        now += timedelta(seconds=step_s)
        upto = int(times.search_sorted(now, side="left"))
        yield events[done:upto], now
        done = upto


def run(events: pl.DataFrame) -> tuple[Ledger, list[Window], float]:
    """A ledger that took these events, every window it ever opened, and the seconds it took."""
    ledger, windows = Ledger(Settings()), dict[str, Window]()
    begin = perf_counter()
    for part, now in steps(events):
        for window in ledger.step(part, now):
            windows[window.id] = window
    took = perf_counter() - begin
    for window in ledger.step(events.clear(), now + timedelta(minutes=20)):
        windows[window.id] = window
    return ledger, sorted(windows.values(), key=lambda one: one.started_at), took


def _fed(events: pl.DataFrame) -> Ledger:
    ledger = Ledger(Settings())
    for part, now in steps(events, 60):
        ledger.step(part, now)
        ledger.take_rows()
    return ledger


def bytes_a_proxy(events: pl.DataFrame) -> float:
    """Memory of a ledger that took these events, by proxy.

    A first ledger takes them as well, unmeasured: what it made the process load is no proxy's.
    """
    _fed(events)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    ledger = _fed(events)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (held - before) / len(ledger.proxies)


def storm_lines(proxies: int, seconds: float = 60.0) -> list[bytes]:
    """What istiod prints when every proxy reconnects within a minute (level info)."""
    lines = []
    for number in range(proxies):
        at = BEGIN + timedelta(seconds=3600 + seconds * number / proxies)
        name = f"svc{number % 400:03d}-7d9f8b6c5d-{number:05d}.ns{number % 40}"
        head = at.isoformat(timespec="microseconds").replace("+00:00", "Z") + "\tinfo\tads\t"
        lines.append(f"{head}ADS: new connection for node:{name}-{number}".encode())
        lines += [
            f"{head}{kind}: PUSH request for node:{name} resources:6 size:2.9kB cached:3/3".encode()
            for kind in TYPES
        ]
    return lines


def storm(proxies: int, seconds: float = 60.0) -> tuple[float, float]:
    """How much faster than real time a storm is digested: by parser and ledger, by the ledger."""
    lines = storm_lines(proxies, seconds)
    parser, ledger = Parser(), Ledger(Settings())
    parsing = digesting = 0.0
    for first in range(0, len(lines), 10_000):
        part = lines[first : first + 10_000]
        begin = perf_counter()
        batch = Batch("istiod", 0, first, first + len(part), part, "control-plane")
        events = parser.parse(batch).control
        parsed = perf_counter()
        ledger.step(events, events["time"].to_list()[-1])
        digesting += perf_counter() - parsed
        parsing += parsed - begin
    return seconds / (parsing + digesting), seconds / digesting


def main() -> None:
    """Print what the day and the storm come to."""
    day = Day()
    events = day.events()
    ledger, windows, took = run(events)
    print(f"{len(ledger.proxies):,} proxies, {events.height:,} events in {took:.1f} s")
    for kind, start, end in day.truth:
        print(f"  happened  {kind:16} {start:9.1f} {end:9.1f}")
    for window in windows:
        start = (window.started_at - BEGIN).total_seconds()
        last = (window.ended_at or window.stuck_since or window.started_at) - BEGIN
        state = "stuck" if window.stuck_since else "open" if window.ended_at is None else ""
        print(
            f"  found     {window.kind:16} {start:9.1f} {last.total_seconds():9.1f} "
            f"{len(window.reconciled)}/{window.expected} {state}"
        )
    print(f"memory: {bytes_a_proxy(Day(hours=3).events()):,.0f} bytes a proxy")
    whole, alone = storm(20_000)
    print(f"storm of 20,000: {whole:.1f} times real time, {alone:.1f} by the ledger alone")


if __name__ == "__main__":
    main()
