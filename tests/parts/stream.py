"""Ten minutes of trouble: recordings one after the other, brought to the present.

An upgrade that breaks routes, a backend that crashes, endpoints drained by the control plane, and
a clean end in which all of it is over.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import zstandard
from kafka import KafkaProducer

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
ACTS = ("a_upgrade_nc", "d_backend_crash", "g_eds_drained", "l_clean")
ACT = timedelta(seconds=150)
QUIET = timedelta(seconds=90)  # at the end, in which the control plane says nothing of weight
DISORDER_S = 1.5
HEALTHY_KEPT = 0.05
GARBAGE = (b"", b"\x00\xff\xfe", b"{", b'{"a": 1}', b"panic: runtime error", b"x" * 3_000)
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
_FINE = re.compile(rb'" [23]\d\d - ')


class Stream(NamedTuple):
    """What topics hold: lines by partition, each in the order of its partition."""

    access: list[list[bytes]]
    control: list[bytes]

    @property
    def records(self) -> int:
        """All lines."""
        return len(self.control) + sum(map(len, self.access))

    def write(self, bootstrap: str, access: str, control: str) -> None:
        """Send all to topics that have as many partitions, each record to its own."""
        with closing(KafkaProducer(bootstrap_servers=bootstrap, linger_ms=50)) as producer:
            for partition, lines in enumerate(self.access):
                for line in lines:
                    producer.send(access, value=line, partition=partition)
            for line in self.control:
                producer.send(control, value=line, partition=0)
            producer.flush()

    def save(self, folder: Path) -> tuple[list[str], str]:
        """The same as files; their paths."""
        paths = [folder / f"access-{number}.log" for number in range(len(self.access))]
        for path, lines in zip(paths, self.access, strict=True):
            path.write_bytes(b"".join(line + b"\n" for line in lines))
        control = folder / "istiod.log"
        control.write_bytes(b"".join(line + b"\n" for line in self.control))
        return [str(path) for path in paths], str(control)


def seeded(seed: int, end: datetime, partitions: int = 2, acts: Sequence[str] = ACTS) -> Stream:
    """A stream that ends at ``end``: most healthy lines left out, shuffled a little, dirty."""
    rng = random.Random(seed)
    start = end - len(acts) * ACT
    places: list[tuple[float, int, bytes]] = []
    control: list[bytes] = []
    for number, act in enumerate(acts):
        for time, line in _lines(act, "istiod.log.zst", start + number * ACT):
            if time < end - QUIET:
                control.append(line)
        for time, line in _lines(act, "access.log.zst", start + number * ACT):
            if rng.random() > HEALTHY_KEPT and _FINE.search(line):
                continue
            place = time.timestamp() + rng.uniform(0, DISORDER_S)
            partition = sum(line[: line.index(b"]")]) % partitions  # a pod writes to one
            places.append((place, partition, line))
            if rng.random() < 0.005:
                places.append((place, partition, rng.choice(GARBAGE)))
    places.sort()
    last = datetime.fromtimestamp(places[-1][0], tz=UTC)
    control.append(f"{last:%Y-%m-%dT%H:%M:%S.%f}Z\tinfo\tads\tPush Status: {{}}".encode())
    access = [[line for _, own, line in places if own == n] for n in range(partitions)]
    return Stream(access, control)


def _lines(act: str, name: str, start: datetime) -> Iterator[tuple[datetime, bytes]]:
    """The lines of a recording with their times, as if it had begun at ``start``."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    shift: timedelta | None = None
    for line in decoder.decompress((RECORDINGS / act / name).read_bytes()).splitlines():
        found = _TIME.search(line)
        assert found is not None, line
        time = datetime.fromisoformat(found[0].decode()).astimezone(UTC)
        shift = start - time if shift is None else shift
        moved = time + shift
        stamp = f"{moved:%Y-%m-%dT%H:%M:%S.%f}"[: found.end() - found.start() - 1]
        yield moved, line[: found.start()] + stamp.encode() + b"Z" + line[found.end() :]
