"""What `pushwake run` costs on topics of a real broker, beside other readers of the same topics.

    python -m benchmarks.live [--lines 200000] [--encoding text] [--compression lz4]
                              [--quix /path/to/python]

For each encoding and compression a topic of six partitions is filled and read by four programs in
turn: a bare client that counts bytes; a loop that counts in the plainest way (the client, ``json``
or ``re``, a dict); the same in Quix Streams, where ``--quix`` names the Python of an environment
that has it and polars; and `pushwake run`, which judges and commits to SQLite. Prints records a
second of CPU, without what a program needs to start: seconds of CPU, not of the wall, since the
broker shares the cores. Records a second of the wall stand in brackets, from the worker's first
look at the topic to the commit of its last record.
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
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, cast

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

PARTITIONS = 6
LIMIT_S = 600.0
IDLE = "nothing-to-read"
Codec = Literal["none", "lz4", "zstd"]
CODECS: tuple[Codec, ...] = ("none", "lz4", "zstd")


class Cost(NamedTuple):
    """Of one reader."""

    cpu_s: float
    wall_s: float = 0.0
    peak_mib: float = 0.0


def main() -> None:
    """Fill, read, print a row."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--lines", type=int, default=200_000)
    options.add_argument("--encoding", choices=ENCODINGS, action="append")
    options.add_argument("--compression", choices=CODECS, action="append")
    options.add_argument("--quix", metavar="PYTHON")
    given = options.parse_args()
    with running() as broker, tempfile.TemporaryDirectory() as folder:
        address = broker.bootstrap
        make(address, IDLE)
        start = _pushwake(address, IDLE, Path(folder) / "idle.db", 0).cpu_s
        quix_start = _quix(given.quix, address, IDLE, 0, "text").cpu_s if given.quix else 0.0
        print("| topic | Pushwake | reading | x | plain loop | x | Quix Streams | x | memory |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for encoding in given.encoding or ENCODINGS:
            lines = [ENCODINGS[encoding](entry) for entry in entries(given.lines)]
            for codec in given.compression or CODECS:
                topic = f"{encoding}-{codec}"
                fill(address, topic, lines, cast(Codec, codec))
                bare = _reading(address, topic, given.lines, lambda values: sum(map(len, values)))
                count = partial(count_lines, encoding=encoding, counts=Counter())
                plain = _reading(address, topic, given.lines, count)
                ours = _pushwake(address, topic, Path(folder) / f"{topic}.db", given.lines)
                rate = given.lines / (ours.cpu_s - start)
                cells = [f"{encoding}, {codec}", f"{rate:,.0f} ({given.lines / ours.wall_s:,.0f})"]
                for other in (bare, plain):
                    cells += _beside(rate, given.lines / other.cpu_s)
                if given.quix:
                    quix = _quix(given.quix, address, topic, given.lines, encoding)
                    cells += _beside(rate, given.lines / (quix.cpu_s - quix_start))
                else:
                    cells += ["not measured", ""]
                print(f"| {' | '.join(cells)} | {ours.peak_mib:.0f} MiB |", flush=True)


def _beside(rate: float, other: float) -> tuple[str, str]:
    return f"{other:,.0f}", f"{rate / other:.2f}"


def make(address: str, topic: str, partitions: int = PARTITIONS) -> None:
    """Make an empty topic."""
    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.create_topics([NewTopic(topic, partitions, 1)])


def fill(address: str, topic: str, values: Sequence[bytes], codec: Codec) -> None:
    """Make a topic and write to it, as a shipper would: by hundreds."""
    make(address, topic)
    compression = None if codec == "none" else codec
    with closing(
        KafkaProducer(bootstrap_servers=address, linger_ms=50, compression_type=compression)
    ) as producer:
        for number, value in enumerate(values):
            producer.send(topic, value=value, partition=number % PARTITIONS)
        producer.flush()


def _reading(
    address: str, topic: str, count: int, take: Callable[[Sequence[bytes]], object]
) -> Cost:
    """Of a client that gives all values to ``take``."""
    pid = os.fork()
    if pid == 0:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
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


def _quix(python: str, address: str, topic: str, count: int, encoding: str) -> Cost:
    """Of Quix Streams; without records to count, of its start."""
    command = [python, "-m", "benchmarks.quix", address, topic, str(count), encoding]
    if not count:
        command = [python, "-c", "import quixstreams, benchmarks.rivals"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{python} cannot run benchmarks.quix; it needs quixstreams and polars")
    return Cost(_cpu_s(used))


def _cpu_s(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def _peak_mib(pid: int) -> float:
    """Of the running process: what `wait4` reports counts the parent's memory at the fork, too."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _pushwake(address: str, topic: str, store: Path, count: int) -> Cost:
    """Of the worker, until its store says that all is read."""
    url = f"sqlite:///{store}"
    command = [sys.executable, "-m", "detector.cli", "run", "--set", "kafka.start=earliest"]
    command += ["--set", f'kafka.topics={{"{topic}" = "access"}}', "--set", f"store.url={url}"]
    command += ["--set", f"kafka.bootstrap_servers=['{address}']", "--set", "store.commit_s=1"]
    command += ["--set", "run.port=0", "--set", "run.log_format=text"]
    process = subprocess.Popen(command, env=os.environ | ALLOCATOR, stderr=subprocess.PIPE)
    try:
        if process.stderr is None:
            raise SystemExit("no log to read")
        while b"reading what the topics hold" not in (line := process.stderr.readline()):
            if not line:
                raise SystemExit("pushwake run ended before it began to read")
        began = time.monotonic()
        while _read(url) < count and time.monotonic() < began + LIMIT_S:
            time.sleep(0.2)
        wall_s, peak_mib = time.monotonic() - began, _peak_mib(process.pid)
    finally:
        process.terminate()
        _, _, used = os.wait4(process.pid, 0)
    return Cost(_cpu_s(used), wall_s, peak_mib)


def _read(url: str) -> int:
    try:
        with reading(StoreSettings(url=url)) as connection:
            return connection.scalar(sa.select(sa.func.sum(tables.offsets.c.next_offset))) or 0
    except StoreError:
        return 0  # not made yet


if __name__ == "__main__":
    main()
