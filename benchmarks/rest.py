"""What REST takes beside a worker at full load, and what that worker loses by it.

    python -m benchmarks.rest [--incidents 10000] [--rate 200] [--seconds 15] [--rounds 3]

A worker judges made-up lines as fast as it can and commits to a store of 10,000 incidents; a real
`pushwake serve` answers on the same store. Requests are sent open-loop: at their time, whether or
not those before were answered, and latency counts from the time at which a request was due, so
that a stall shows in all that it delays. The worker's lines are counted in turns without and with
the requests: by the second of the wall, which the client and the web process share the cores for,
and by the second of the worker's own CPU, which says what it loses to locks and caches.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from benchmarks.lines import START, entries, text
from benchmarks.pages import fill, service
from detector.record import Record
from detector.settings import Settings
from detector.store import Store
from detector.worker import Worker
from pipelines.batch import Batch

LIMIT_MS, LOSS = 50.0, 0.05
LINES, BATCH = 200_000, 5_000  # ten seconds of event time, and of them one batch
COMMIT_S = 5.0  # the worker's own pause between two commits
TENS = len("[2026-03-01T00:00:0")  # what of a line changes every ten seconds


class Mark(NamedTuple):
    """How far the worker was at a time."""

    wall_s: float
    cpu_s: float
    lines: int


def work(url: str) -> None:
    """Judge without end; print a `Mark` after each batch."""
    lines = [text(entry)[TENS:] for entry in entries(LINES)]
    with Store.open(url) as store:
        worker = Worker(Settings())
        record = Record(store, worker, COMMIT_S)
        done = 0
        for turn in count():
            now = START + turn * timedelta(seconds=10)
            head = f"[{now:%Y-%m-%dT%H:%M:%S}"[:-1].encode()
            for first in range(0, LINES, BATCH):
                values = [head + line for line in lines[first : first + BATCH]]
                batch = Batch("access", 0, done, done + BATCH, values)
                reached = worker.add(batch)
                if reached is not None:
                    worker.advance(reached)
                record.read(batch)
                done += BATCH
                sys.stdout.write(f"{time.monotonic()} {time.process_time()} {done}\n")
                sys.stdout.flush()


@contextmanager
def working(url: str) -> Iterator[list[Mark]]:
    """A worker at full load, and how far it came so far."""
    command = [sys.executable, "-m", "benchmarks.rest", "--work", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    marks: list[Mark] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            wall_s, cpu_s, lines = line.split()
            marks.append(Mark(float(wall_s), float(cpu_s), int(lines)))

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield marks
    finally:
        process.kill()
        process.wait()


@contextmanager
def served(url: str) -> Iterator[str]:
    """The address of a real web process."""
    command = [str(Path(sys.executable).parent / "pushwake"), "serve", "--port", "0"]
    command += ["--store", url, "--set", "web.rate_per_s=1000000", "--set", "web.burst=1000000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1].rstrip("/")
    finally:
        process.terminate()
        process.wait()


def paths(incidents: int) -> list[Callable[[random.Random], str]]:
    """The main routes, as clients ask them."""
    return [
        lambda _: "/v1/incidents?status=open&status=worsening",
        lambda rng: f"/v1/incidents?service={service(rng.randrange(120))}&page_size=20",
        lambda rng: f"/v1/incidents/{rng.randrange(incidents):012x}",
        lambda rng: f"/v1/incidents/{rng.randrange(incidents):012x}/timeline",
        lambda _: "/v1/windows?page_size=20",
        lambda rng: f"/v1/changes?incident={rng.randrange(incidents):012x}",
        lambda rng: f"/v1/services/{service(rng.randrange(120))}",
        lambda _: "/v1/series?page_size=50",
        lambda _: "/v1/proxies?page_size=50",
        lambda _: "/v1/health/data",
    ]


class Client:
    """Connections that are kept, and as little work for an answer as can be.

    The client shares the cores with what it measures; one that parses headers in Python took half
    as long for a request as the server took to answer it.
    """

    def __init__(self, base: str) -> None:
        url = httpx.URL(base)
        self._host, self._port = url.host, url.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> int:
        """The status of an answer that is read to its end."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        await reader.readexactly(int(length[1]))
        self._idle.append((reader, writer))
        return int(head[9:12])

    def close(self) -> None:
        """Let go of all connections."""
        for _, writer in self._idle:
            writer.close()


async def load(base: str, rate: float, seconds: float, incidents: int) -> dict[str, list[float]]:
    """Milliseconds from the time a request was due to its answer, by route."""
    asked, rng = paths(incidents), random.Random(7)
    taken: dict[str, list[float]] = {}
    statuses: Counter[int] = Counter()
    client = Client(base)

    async def one(due_s: float, path: str) -> None:
        status = await client.get(path)
        name = path.partition("?")[0].rpartition("/v1/")[2].split("/")
        route = "/".join([name[0], *("{}" for _ in name[1:2]), *name[2:]])
        taken.setdefault(route, []).append((time.monotonic() - due_s) * 1e3)
        statuses[status] += 1

    begun_s, tasks = time.monotonic(), []
    for n in range(int(rate * seconds)):
        due_s = begun_s + n / rate
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        tasks.append(asyncio.create_task(one(due_s, asked[n % len(asked)](rng))))
    await asyncio.gather(*tasks)
    client.close()
    if set(statuses) != {200}:
        print(f"answers by status: {dict(statuses)}")
    return taken


def speed(marks: list[Mark], since_s: float, until_s: float) -> tuple[float, float]:
    """Lines by the second of the wall, and of the worker's CPU."""
    here = [mark for mark in marks if since_s <= mark.wall_s <= until_s]
    first, last = here[0], here[-1]
    lines = last.lines - first.lines
    return lines / (last.wall_s - first.wall_s), lines / (last.cpu_s - first.cpu_s)


def measure(base: str, marks: list[Mark], options: argparse.Namespace) -> bool:
    """Print latencies and what the worker loses; whether both are as they should be."""
    taken: dict[str, list[float]] = {}
    alone, beside = [], []
    for _ in range(options.rounds):
        begun_s = time.monotonic()
        time.sleep(options.seconds)
        half_s = time.monotonic()
        asked = asyncio.run(load(base, options.rate, options.seconds, options.incidents))
        alone.append(speed(marks, begun_s, half_s))
        beside.append(speed(marks, half_s, time.monotonic()))
        for route, times in asked.items():
            taken.setdefault(route, []).extend(times)
    every = [one for times in taken.values() for one in times]
    for name, times in [*sorted(taken.items()), ("all", every)]:
        p50, p99 = np.percentile(times, [50, 99])
        print(f"{name:24} {len(times):6,} requests  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms")
    wall, cpu = (np.mean(beside, axis=0) / np.mean(alone, axis=0)).tolist()
    print(f"worker: {np.mean(alone, axis=0)[0]:,.0f} lines/s alone, {wall:.3f} of it beside REST;")
    print(f"by its own CPU: {np.mean(alone, axis=0)[1]:,.0f} lines/s alone, {cpu:.3f} beside REST")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    return bool(np.percentile(every, 99) < LIMIT_MS and wall >= 1 - LOSS)


def main() -> int:
    """Fill, work, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'store.db'}"
        fill(url, options.incidents, 5_000)
        with working(url) as marks, served(url) as base:
            while len(marks) < 2 * LINES // BATCH:  # imports, and the first of everything
                time.sleep(0.5)
            well = measure(base, marks, options)
    print(f"{'As' if well else 'NOT as'} promised: p99 < {LIMIT_MS:.0f} ms, loss <= {LOSS:.0%}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
