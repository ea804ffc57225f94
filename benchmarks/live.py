"""What `pushwake run` costs on a topic of a real broker, beside a client that only reads it.

    python -m benchmarks.live [--lines 400000] [--encoding fluent-bit] [--compression lz4]

A topic of six partitions is filled first; then a bare client of the same library reads it and
counts bytes, a loop counts in the plainest way (the client, ``json`` or ``re``, a dict), and
`pushwake run` reads it, judges, and commits to SQLite. Prints records a second of CPU time for all
three, Pushwake's share of the other two, the peak of its resident memory and the size of its
store. Seconds of CPU, not of the wall: the broker shares the cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

import sqlalchemy as sa
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from benchmarks.lines import ENCODINGS, entries
from benchmarks.parse import ALLOCATOR
from benchmarks.rivals import count_lines
from detector.errors import StoreError
from detector.settings import StoreSettings
from detector.store import tables
from detector.store.reading import reading
from tests.parts.kafka import running

TOPIC, PARTITIONS = "istio-proxy", 6
LIMIT_S = 600.0


class Cost(NamedTuple):
    """Of one reader."""

    cpu_s: float
    peak_mib: float = 0.0


def main() -> None:
    """Fill, read twice, print a row."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=400_000)
    options.add_argument("--encoding", choices=ENCODINGS, default="fluent-bit")
    options.add_argument("--compression", choices=["none", "lz4", "zstd"], default="lz4")
    given = options.parse_args()
    codec = None if given.compression == "none" else given.compression
    with running() as broker, tempfile.TemporaryDirectory() as folder:
        lines = [ENCODINGS[given.encoding](e) for e in entries(given.lines)]
        fill(broker.bootstrap, lines, codec)
        del lines
        bare = _reading(broker.bootstrap, given.lines, lambda values: sum(map(len, values)))
        counts: Counter[tuple[object, ...]] = Counter()
        plain = _reading(
            broker.bootstrap,
            given.lines,
            lambda values: count_lines(values, given.encoding, counts),
        )
        store = Path(folder) / "pushwake.db"
        ours = _pushwake(broker.bootstrap, store, given.lines)
        rate, bare_rate = given.lines / ours.cpu_s, given.lines / bare.cpu_s
        plain_rate = given.lines / plain.cpu_s
        print("| topic | records per CPU-second | plain loop | x | reading | x | memory | store |")
        print("|---|---|---|---|---|---|---|---|")
        print(
            f"| {given.encoding}, {given.compression} | {rate:,.0f} | {plain_rate:,.0f} "
            f"| {rate / plain_rate:.2f} | {bare_rate:,.0f} | {rate / bare_rate:.2f} "
            f"| {ours.peak_mib:.0f} MiB | {store.stat().st_size / 2**20:.1f} MiB |"
        )


def fill(
    address: str, values: Sequence[bytes], codec: Literal["lz4", "zstd"] | None = "lz4"
) -> None:
    """Make the topic and write to it, as a shipper would: compressed, by hundreds."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1), NewTopic("istiod", 1, 1)])
    with closing(
        KafkaProducer(bootstrap_servers=address, linger_ms=50, compression_type=codec)
    ) as producer:
        for number, value in enumerate(values):
            producer.send(TOPIC, value=value, partition=number % PARTITIONS)
        producer.flush()


def _reading(address: str, count: int, take: Callable[[Sequence[bytes]], object]) -> Cost:
    """Of a client that gives all values to ``take``."""
    pid = os.fork()
    if pid == 0:
        partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        with closing(KafkaConsumer(bootstrap_servers=address)) as consumer:
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            seen = 0
            while seen < count:
                for records in consumer.poll(timeout_ms=200).values():
                    seen += len(records)
                    take([record.value for record in records])
        os._exit(0)
    _, _, used = os.wait4(pid, 0)
    return Cost(_cpu_s(used))


def _cpu_s(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def _peak_mib(pid: int) -> float:
    """Of the running process: what `wait4` reports counts the parent's memory at the fork, too."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _pushwake(address: str, store: Path, count: int) -> Cost:
    url = f"sqlite:///{store}"
    command = [sys.executable, "-m", "detector.cli", "run", "--set", "kafka.start=earliest"]
    command += ["--set", f"store.url={url}", "--set", f"kafka.bootstrap_servers=['{address}']"]
    process = subprocess.Popen(command, env=os.environ | ALLOCATOR)
    deadline = time.monotonic() + LIMIT_S
    while _read(url) < count and time.monotonic() < deadline:
        time.sleep(0.2)
    peak = _peak_mib(process.pid)
    process.terminate()
    _, _, used = os.wait4(process.pid, 0)
    return Cost(_cpu_s(used), peak)


def _read(url: str) -> int:
    try:
        with reading(StoreSettings(url=url)) as connection:
            return connection.scalar(sa.select(sa.func.sum(tables.offsets.c.next_offset))) or 0
    except StoreError:
        return 0  # not made yet


if __name__ == "__main__":
    main()
