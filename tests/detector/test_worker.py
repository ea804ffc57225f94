"""What comes out depends on the records, not on how they came."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector import documents
from detector.settings import Settings
from detector.worker import Worker
from pipelines.batch import Batch, Kind
from pipelines.parse import Parser
from tests.detector.conftest import RECORDINGS, Document

BEFORE = datetime.min.replace(tzinfo=UTC)
SETTINGS = Settings()
LATENESS_S = SETTINGS.detection.lateness_s
SLOW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def lines_of(name: str, file: str) -> list[bytes]:
    packed = (RECORDINGS / name / file).read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines()


# The minute around the onset: cold start, the first proxies' reconnects and their errors.
ACCESS = lines_of("a_upgrade_nc", "access.log.zst")[6_000:20_000]
CONTROL = lines_of("a_upgrade_nc", "istiod.log.zst")


def batch(topic: str, kind: Kind, first: int, values: list[bytes]) -> Batch:
    return Batch(topic, 0, first, first + len(values), values, kind)


def add_control(worker: Worker) -> None:
    worker.add(batch("istiod", "control-plane", 0, CONTROL))


def feed(worker: Worker, values: list[bytes], cuts: list[int], first: int = 0) -> None:
    """Add the lines in pieces, moving the watermark after each as a source would."""
    reached = BEFORE
    edges = sorted({0, len(values), *(cut % len(values) for cut in cuts)})
    for start, end in pairwise(edges):
        time = worker.add(batch("access", "access", first + start, values[start:end]))
        reached = max(reached, time or BEFORE)
        if reached > BEFORE:
            worker.advance(reached)


def told(worker: Worker) -> list[Document]:
    worker.finish()
    return [msgspec.to_builtins(documents.document(one)) for one in worker.incidents]


def undisturbed() -> list[Document]:
    worker = Worker(SETTINGS)
    add_control(worker)
    feed(worker, ACCESS, [])
    return told(worker)


EXPECTED = undisturbed()


def test_the_slice_holds_an_incident_of_the_control_plane() -> None:
    assert [one["attribution"]["cause"] for one in EXPECTED] == ["control-plane"]


@pytest.mark.no_cover
@SLOW
@given(st.lists(st.integers(1, len(ACCESS)), max_size=30))
def test_any_cut_into_batches_gives_the_same_incidents(cuts: list[int]) -> None:
    worker = Worker(SETTINGS)
    add_control(worker)
    feed(worker, ACCESS, cuts)
    assert told(worker) == EXPECTED


@pytest.mark.no_cover
@SLOW
@given(st.integers(0, 2**32), st.lists(st.integers(1, len(ACCESS)), max_size=8))
def test_a_shuffle_within_the_lateness_gives_the_same_incidents(seed: int, cuts: list[int]) -> None:
    worker = Worker(SETTINGS)
    add_control(worker)
    feed(worker, shuffled(ACCESS, seed, LATENESS_S * 0.9), cuts)
    assert told(worker) == EXPECTED
    assert worker.late == 0


@pytest.mark.no_cover
@SLOW
@given(st.integers(1, len(ACCESS) - 1))
def test_a_restored_worker_goes_on_as_the_first_one_would(cut: int) -> None:
    first = Worker(SETTINGS)
    add_control(first)
    feed(first, ACCESS[:cut], [])
    second = Worker(SETTINGS)
    second.restore(first.snapshot())
    feed(second, ACCESS[cut:], [], first=cut)
    assert told(second) == EXPECTED


@pytest.mark.no_cover
@SLOW
@given(st.integers(len(ACCESS) // 4, len(ACCESS) - 1))
def test_nothing_uses_the_future(cut: int) -> None:
    whole, part = Worker(SETTINGS), Worker(SETTINGS)
    for worker, values in ((whole, ACCESS), (part, ACCESS[:cut])):
        add_control(worker)
        feed(worker, values[:cut], [])
    until = part.period[1] if part.period else BEFORE
    early = [documents.encode(one) for one in part.incidents]
    assert [documents.encode(one) for one in whole.incidents] == early
    feed(whole, ACCESS[cut:], [], first=cut)
    known = {one.id: one for one in whole.incidents}
    for one in part.incidents:
        assert known[one.id].detected_at == one.detected_at <= until


def test_garbage_between_the_lines_is_counted_and_changes_nothing() -> None:
    junk = [b"", b"\x00\xff\xfe", b"{", b"[[[[" * 10_000, b"x" * 1_000_000, b"no log line"]
    mixed = [line for pair in zip(ACCESS, junk * 2_000, strict=False) for line in pair]
    worker = Worker(SETTINGS)
    add_control(worker)
    few = [*mixed[:60], *ACCESS[30:]]
    feed(worker, few, [])
    assert told(worker) == EXPECTED
    rejected = sum(n for name, n in worker.counts.items() if name.startswith("reject/"))
    assert rejected == 30


def test_a_clock_in_the_future_neither_ends_the_present_nor_makes_incidents() -> None:
    wrong = [line.replace(b"2026-11-23T05:3", b"2036-11-23T05:3") for line in ACCESS[:40]]
    worker = Worker(SETTINGS)
    add_control(worker)
    feed(worker, [*ACCESS[:4_000], *wrong, *ACCESS[4_000:]], [])
    assert told(worker) == EXPECTED


def shuffled(lines: list[bytes], seed: int, most_s: float) -> list[bytes]:
    """The lines in the order in which they would come if each were late by up to ``most_s``."""
    ended = Parser().parse(batch("access", "access", 0, lines)).access["time"]
    noise = random.Random(seed)
    late = [time + timedelta(seconds=noise.uniform(0, most_s)) for time in ended]
    return [lines[i] for i in sorted(range(len(lines)), key=late.__getitem__)]
