"""A worker left alone with more traffic than the machine can take, for as long as one likes.

    python -m benchmarks.soak [--minutes 30] [--plot memory.svg]

Text, JSON and Fluent Bit lines of the present, one in a hundred damaged and one in a hundred an
hour old, go to a real Apache Kafka as fast as the worker reads them; twice the topic gets more
partitions. Prints a row every ten seconds and, at the end, whether memory grew after the first
third, whether every damaged line was rejected and nothing else, and the highest lag.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic

from benchmarks.lines import ENCODINGS, entries
from benchmarks.parse import ALLOCATOR
from detector import clock
from tests.parts.kafka import running
from tests.parts.worker import WorkerProcess, eventually

TOPIC, PARTITIONS = "istio-proxy", 3
ENTRIES = 20_000
STRETCH = 20_000  # lines between two looks at the lag
MAX_LAG = 100_000  # records left to read at which the shipper waits
SHARE = 100  # one line of so many is damaged, one is old
EVERY_S = 10.0
_TIME = re.compile(rb"2026-03-01T[0-9:.]+Z")
_PLACE = b"\x00time"
DAMAGED = (b"\x00\xff\xfe", b"{", b"panic: runtime error", b'{"a": 1}', b"x" * 3_000)


class Sample(NamedTuple):
    """What was seen of the worker."""

    at_s: float
    memory_mib: float
    lag: float
    read: float


class Sent(NamedTuple):
    """What the shipper wrote so far."""

    lines: int = 0
    damaged: int = 0
    old: int = 0


def main() -> None:
    """Run, print, judge."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--plot", type=Path, metavar="SVG", help="draw memory here")
    given = options.parse_args()
    with running() as broker, tempfile.TemporaryDirectory() as folder:
        with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
            admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
        settings = {
            "store.url": f"sqlite:///{folder}/soak.db",
            "kafka.bootstrap_servers": f'["{broker.bootstrap}"]',
            "kafka.topics": f'{{"{TOPIC}" = "access"}}',
            "kafka.start": "earliest",
            "kafka.discover_s": 5,
        }
        with WorkerProcess(settings, environment=ALLOCATOR) as worker:
            eventually(lambda: worker.get("/readyz").status_code == 200, "ready")
            samples, sent = _soak(worker, broker.bootstrap, given.minutes * 60)
            _tell(worker, samples, sent)
    if given.plot:
        _plot(samples, given.plot)


def _soak(worker: WorkerProcess, address: str, limit_s: float) -> tuple[list[Sample], Sent]:
    """Write until the time is over, then wait until all is read."""
    lines, sent, samples = _lines(), Sent(), list[Sample]()
    widen = [limit_s * 2 / 3, limit_s / 3]
    began = time.monotonic()
    print("| minute | memory, MiB | lag | lines a second |\n|---|---|---|---|", flush=True)
    with closing(
        KafkaProducer(bootstrap_servers=address, linger_ms=50, compression_type="lz4")
    ) as producer:
        while (passed := time.monotonic() - began) < limit_s:
            if widen and passed >= widen[-1]:
                widen.pop()
                _widen(address, PARTITIONS * (3 - len(widen)))
            if not samples or passed - samples[-1].at_s >= EVERY_S:
                samples.append(_sample(worker, passed, samples))
            if sent.lines - worker.metric("pushwake_values_read_total") > MAX_LAG:
                time.sleep(0.1)
                continue
            for value, kind in itertools.islice(lines, STRETCH):
                producer.send(TOPIC, value=value)
                sent = Sent(
                    sent.lines + 1, sent.damaged + (kind == "damaged"), sent.old + (kind == "old")
                )
        producer.flush()
    read = "pushwake_values_read_total"
    eventually(lambda: worker.metric(read) >= sent.lines, "all read", limit_s=300)
    time.sleep(2 * 5)  # the last commit, with which the counts are kept up
    samples.append(_sample(worker, time.monotonic() - began, samples))
    return samples, sent


def _widen(address: str, partitions: int) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.create_partitions({TOPIC: NewPartitions(partitions)})


def _lines() -> Iterator[tuple[bytes, str]]:
    """Lines of the present, and of what sort each is."""
    rng = random.Random(7)
    encodings = list(ENCODINGS.values())
    lines = [
        _TIME.sub(_PLACE, encodings[number % len(encodings)](entry))
        for number, entry in enumerate(entries(ENTRIES))
    ]
    while True:
        now, old = (
            time.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
            for time in (clock.now(), clock.now() - timedelta(hours=1))
        )
        for _ in range(STRETCH):
            sort = rng.randrange(SHARE)
            if sort == 0:
                yield rng.choice(DAMAGED), "damaged"
            else:
                line = rng.choice(lines).replace(_PLACE, old if sort == 1 else now)
                yield line, "old" if sort == 1 else "new"


def _sample(worker: WorkerProcess, at_s: float, before: list[Sample]) -> Sample:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    read = worker.metric("pushwake_values_read_total")
    one = Sample(at_s, int(line.split()[1]) / 1024, worker.metric("pushwake_lag_records"), read)
    last = before[-1] if before else Sample(0.0, 0.0, 0.0, 0.0)
    rate = (read - last.read) / max(at_s - last.at_s, 1.0)
    print(f"| {at_s / 60:.1f} | {one.memory_mib:.0f} | {one.lag:,.0f} | {rate:,.0f} |", flush=True)
    return one


def _tell(worker: WorkerProcess, samples: list[Sample], sent: Sent) -> None:
    end = samples[-1].at_s
    middle = [one.memory_mib for one in samples if end / 3 <= one.at_s < 2 * end / 3]
    last = [one.memory_mib for one in samples if one.at_s >= 2 * end / 3]
    lines = worker.get("/metrics").text.splitlines()
    rejects = {
        line.partition("{")[2].partition("}")[0]: float(line.split()[-1])
        for line in lines
        if line.startswith("pushwake_rejects_total{")
    }
    late = worker.metric("pushwake_late_total")
    print(f"{sent.lines:,} lines in {end / 60:.1f} minutes, {sent.lines / end:,.0f} a second")
    print(
        f"memory: {statistics.median(middle):.0f} MiB in the second third, "
        f"{statistics.median(last):.0f} MiB in the last"
    )
    print(f"rejects: {sum(rejects.values()):,.0f} of {sent.damaged:,} damaged: {rejects}")
    highest = max(one.lag for one in samples)
    print(f"late: {late:,.0f} of {sent.old:,} old ones; highest lag: {highest:,.0f}")


def _plot(samples: list[Sample], path: Path) -> None:
    """A line of memory over time; its frame is the whole run, from nothing to the peak."""
    peak, end = max(one.memory_mib for one in samples), samples[-1].at_s
    points = " ".join(
        f"{480 * one.at_s / end:.1f},{120 - 120 * one.memory_mib / peak:.1f}" for one in samples
    )
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -20 492 148" width="492">'
        f'<text y="-6" font-size="12">{peak:.0f} MiB at the peak, {end / 60:.1f} minutes</text>'
        '<rect width="480" height="120" fill="none" stroke="#999"/>'
        f'<polyline points="{points}" fill="none" stroke="#06c"/></svg>\n'
    )


if __name__ == "__main__":
    main()
