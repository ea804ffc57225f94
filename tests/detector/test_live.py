"""The deployed worker on a real broker and store."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import zstandard
from kafka import KafkaProducer

from detector.errors import StoreError
from detector.live import Watermarks
from detector.live.watermarks import HOLD, IDLE_S, SILENT_S, Reading
from detector.replaying import Inputs, replay
from detector.settings import Settings, StoreSettings
from detector.store import Store, tables
from detector.store.reading import reading
from tests.parts.tansu import Cluster

MakeTopic = Callable[..., str]
WAIT_S = 60.0
RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A, B = ("t", 0), ("t", 1)
READING, DONE = Reading(False, 0.0), Reading(True, 0.0)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def marks() -> Watermarks:
    one = Watermarks()
    one.heard(A, at(100), NOON)
    one.heard(B, at(30), NOON)
    return one


def test_a_partition_that_is_behind_holds_the_others_back(marks: Watermarks) -> None:
    assert marks.value({A: READING, B: READING}, HOLD) == at(30)
    assert marks.value({A: DONE, B: READING}, HOLD) == at(30)


def test_one_whose_shipper_is_behind_holds_them_back_by_a_minute(marks: Watermarks) -> None:
    assert marks.value({A: READING, B: DONE}, HOLD) == at(100) - HOLD


def test_one_that_is_idle_holds_nobody_back(marks: Watermarks) -> None:
    assert marks.value({A: DONE, B: Reading(True, IDLE_S)}, HOLD) == at(100)


def test_when_all_are_silent_the_open_buckets_close(marks: Watermarks) -> None:
    silent = Reading(True, SILENT_S)
    assert marks.value({A: silent, B: silent}, timedelta(seconds=20)) == at(120)


def test_one_that_was_not_read_yet_holds_them_back_and_one_without_any_times_does_not(
    marks: Watermarks,
) -> None:
    readings = {A: READING, B: READING, ("t", 2): READING}
    assert marks.value(readings, HOLD) is None
    marks.heard(("t", 2), None, NOON)
    assert marks.value(readings, HOLD) == at(30)


def test_what_was_reached_outlives_the_process(marks: Watermarks) -> None:
    restored = Watermarks()
    restored.restore(marks.snapshot())
    silent = Reading(True, SILENT_S)
    for readings in ({A: READING, B: READING}, {A: silent, B: silent}):
        assert restored.value(readings, HOLD) == marks.value(readings, HOLD)


def test_a_time_that_cannot_be_moves_nothing(marks: Watermarks) -> None:
    marks.heard(A, at(3600), NOON)
    assert marks.furthest == at(100)


def write(broker: Cluster, topic: str, recording: str, name: str) -> int:
    path = RECORDINGS / recording / name
    decoder = zstandard.ZstdDecompressor().decompressobj()
    lines = decoder.decompress(path.read_bytes()).splitlines()
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=20)) as producer:
        for line in lines:
            producer.send(topic, value=line)
        producer.flush()
    return len(lines)


@contextmanager
def running(
    broker: Cluster, store: str, access: str, control: str, records: int
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "detector.cli", "run", "--set", f"store.url={store}"]
    command += ["--set", f'kafka.topics={{"{access}" = "access", "{control}" = "control-plane"}}']
    command += ["--set", f'kafka.bootstrap_servers=["{broker.bootstrap}"]']
    command += ["--set", "kafka.start=earliest", "--set", "store.commit_s=0.05"]
    command += ["--set", f"kafka.max_records={records}", "--set", "store.lease_s=0.3"]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read(store: str) -> int:
    """Offsets that the store holds, over all partitions."""
    try:
        with reading(StoreSettings(url=store)) as connection:
            return connection.scalar(sa.select(sa.func.sum(tables.offsets.c.next_offset))) or 0
    except StoreError:
        return 0  # not made yet


def wait_for(store: str, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while read(store) < count:
        assert time.monotonic() < deadline, f"{read(store)} of {count} read"
        time.sleep(0.05)


def found(store: str) -> list[tuple[str, str, datetime, float]]:
    with Store.open(store) as one:
        return [
            (i.id, i.attribution.cause, i.detected_at, i.observed.errors) for i in one.incidents()
        ]


@pytest.mark.no_cover
def test_topics_give_the_incident_that_replay_gives_through_kills_and_a_gentle_end(
    broker: Cluster, make_topic: MakeTopic, tmp_path: Path
) -> None:
    access, control = make_topic(name="access"), make_topic(name="control")
    total = write(broker, control, "a_upgrade_nc", "istiod.log.zst")
    half = write(broker, access, "a_upgrade_nc", "access.log.zst")
    total += half
    store = f"sqlite:///{tmp_path}/live.db"
    for share in (0.2, 0.4, 0.6, 0.8):
        with running(broker, store, access, control, records=500):
            wait_for(store, int(share * total))
    with running(broker, store, access, control, records=500) as process:
        wait_for(store, total)
        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0

    replayed = replay(
        Inputs(
            access=[str(RECORDINGS / "a_upgrade_nc" / "access.log.zst")],
            control=[str(RECORDINGS / "a_upgrade_nc" / "istiod.log.zst")],
        ),
        Settings(),
        lambda _: None,
    )
    (one,) = replayed.worker.incidents
    ((incident_id, cause, detected_at, _),) = found(store)
    assert (incident_id, cause, detected_at) == (one.id, one.attribution.cause, one.detected_at)


def test_a_broker_that_is_not_there_ends_the_process_with_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "detector.cli", "run"]
    command += ["--set", f"store.url=sqlite:///{tmp_path}/live.db", "--set", "kafka.timeout_s=1"]
    command += ["--set", 'kafka.bootstrap_servers=["127.0.0.1:9"]']
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 3
    assert "127.0.0.1:9: no broker answers" in run.stderr
