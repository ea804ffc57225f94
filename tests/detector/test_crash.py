"""Killed at any instant, the worker leaves what a run leaves that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from detector import clock
from detector.errors import StoreError
from detector.replaying import Inputs, replay
from detector.settings import DetectionSettings, Settings, StoreSettings
from detector.store import Store, outbox, tables
from detector.store.reading import reading
from tests.parts.kafka import Broker
from tests.parts.lives import LEASE_S, PLACES
from tests.parts.postgres import Postgres
from tests.parts.stream import Stream, seeded
from tests.parts.tansu import Cluster

pytestmark = pytest.mark.no_cover

KILLS = 50
SEED = 7
WAIT_S = 90.0
RESOLVE_S = 30
REPLAYED = ("incidents", "timeline", "windows")
MakeTopic = Callable[..., str]
Kept = dict[str, list[Any]]


class Case:
    """A stream in the topics of a broker, and commands that read it."""

    def __init__(self, broker: Cluster, make_topic: MakeTopic, stream: Stream) -> None:
        self.broker, self.stream = broker, stream
        self.restarts: tuple[int, ...] = ()  # of the broker, after so many lives
        self.restart: Callable[[], None] = lambda: None
        self.access = make_topic(partitions=len(stream.access), name="access")
        self.control = make_topic(name="control")
        stream.write(broker.bootstrap, self.access, self.control)

    def command(self, store: str) -> list[str]:
        settings = {
            "store.url": store,
            "store.commit_s": 0.05,
            "store.lease_s": LEASE_S,
            "detection.resolve_s": RESOLVE_S,
            "kafka.topics": f'{{"{self.access}" = "access", "{self.control}" = "control-plane"}}',
            "kafka.bootstrap_servers": f'["{self.broker.bootstrap}"]',
            "kafka.start": "earliest",
            "kafka.max_records": 200,
        }
        return [
            "run",
            *(one for pair in settings.items() for one in ("--set", "=".join(map(str, pair)))),
        ]

    @contextmanager
    def lives(self, store: str, kills: int, code: int = 0) -> Iterator[subprocess.Popen[str]]:
        """Lives that are killed and a last one, which ends with ``code``."""
        command = [sys.executable, "-m", "tests.parts.lives", str(SEED), str(kills)]
        command += self.command(store)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                ended = process.wait(30)
        assert ended == code

    def finish(self, store: str, process: subprocess.Popen[str]) -> list[str]:
        """Wait until the last life holds the store and all is read; how the others ended."""
        *ends, last = self.listen(process)
        owner = f"process {last.removeprefix('last ')}"
        wait_for(lambda: told_of(store) == (owner, self.stream.records))
        return ends

    def listen(self, process: subprocess.Popen[str]) -> list[str]:
        """What is told of each life, up to the last; the broker is restarted now and then."""
        assert process.stdout is not None
        ends = []
        for line in process.stdout:
            ends.append(line.strip())
            if line.startswith("last"):
                break
            if len(ends) in self.restarts:
                self.restart()
        return ends


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def told_of(store: str) -> tuple[str, int]:
    """Who holds the store, and how many offsets it holds over all partitions."""
    try:
        with reading(StoreSettings(url=store)) as connection:
            owner = connection.scalar(sa.select(tables.lease.c.owner)) or ""
            done = connection.scalar(sa.select(sa.func.sum(tables.offsets.c.next_offset))) or 0
    except StoreError:
        return "", 0  # not made yet
    return owner.split(" on ")[0], done


def kept(store: str) -> Kept:
    """All that a store tells, but for when and in how many steps it was written."""
    with reading(StoreSettings(url=store)) as connection:

        def rows(*columns: sa.Column[Any]) -> list[Any]:
            query = sa.select(*columns).order_by(*columns[:2])
            return [tuple(row) for row in connection.execute(query)]

        incidents, told = tables.incidents.c, outbox.outbox.c
        return {
            "incidents": rows(incidents.id, incidents.document),
            "timeline": rows(*outbox.timeline.c),
            "windows": rows(tables.windows.c.id, tables.windows.c.document),
            "outbox": [row[1:] for row in rows(told.id, told.incident_id, told.kind, told.notice)],
            "rejects": rows(*tables.rejects.c),
            "offsets": rows(*tables.offsets.c),
        }


def undisturbed(case: Case, store: str) -> Kept:
    with case.lives(store, 0) as process:
        case.finish(store, process)
    return kept(store)


def replayed(case: Case, folder: Path) -> Kept:
    """What a replay of the same lines finds."""
    access, control = case.stream.save(folder)
    settings = Settings(detection=DetectionSettings(resolve_s=RESOLVE_S))
    store = f"sqlite:///{folder}/replayed.db"
    with Store.open(store) as one:
        replay(Inputs(access=access, control=[control]), settings, lambda _: None, one)
    found = kept(store)
    return {what: found[what] for what in REPLAYED}


def only_replayed(store: str) -> Kept:
    found = kept(store)
    assert len(set(found["outbox"])) == len(found["outbox"])  # nothing is told twice
    return {what: found[what] for what in REPLAYED}


@pytest.fixture(scope="module")
def stream() -> Stream:
    return seeded(SEED, clock.now() + timedelta(minutes=2))


def test_killed_fifty_times_it_leaves_what_an_undisturbed_run_leaves_and_what_a_replay_finds(
    own_broker: Broker, own_topic: MakeTopic, stream: Stream, tmp_path: Path
) -> None:
    case = Case(own_broker, own_topic, stream)
    plain, battered = (f"sqlite:///{tmp_path}/{name}.db" for name in ("plain", "battered"))
    expected = undisturbed(case, plain)
    case.restarts = (KILLS // 3, 2 * KILLS // 3)
    case.restart = own_broker.restart
    with case.lives(battered, KILLS) as process:
        ends = case.finish(battered, process)

    assert len(ends) == KILLS
    assert all(end.endswith(f": -{signal.SIGKILL:d}") for end in ends), ends
    assert all(any(place in end for end in ends) for place in PLACES), ends
    assert kept(battered) == expected
    assert only_replayed(battered) == replayed(case, tmp_path)
    assert {row[0] for row in expected["incidents"]} == {row[0] for row in expected["outbox"]}
    assert len(expected["incidents"]) >= 3


def test_on_postgresql_too_it_goes_on_through_kills_and_a_server_that_is_away(
    broker: Cluster, make_topic: MakeTopic, postgres: Postgres, stream: Stream, tmp_path: Path
) -> None:
    case, store = Case(broker, make_topic, stream), postgres.new()
    with case.lives(store, KILLS // 5, code=4) as process:
        case.listen(process)
        wait_for(lambda: told_of(store)[1] > 0)
        postgres.stop()
        try:
            process.wait(30)
        finally:
            postgres.start()
    with case.lives(store, 0) as process:
        case.finish(store, process)

    assert only_replayed(store) == replayed(case, tmp_path)


def test_a_broker_that_is_away_for_a_while_is_waited_for_and_nothing_is_missed(
    own_broker: Broker, own_topic: MakeTopic, stream: Stream, tmp_path: Path
) -> None:
    case, store = Case(own_broker, own_topic, stream), f"sqlite:///{tmp_path}/store.db"
    with case.lives(store, 0) as process:
        wait_for(lambda: told_of(store)[1] > 0)
        own_broker.kill()
        time.sleep(6)
        own_broker.start()
        case.finish(store, process)

    assert only_replayed(store) == replayed(case, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    run = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", folder], check=False)
    if run.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_on_a_full_disk_it_ends_with_a_word_and_goes_on_once_there_is_space(
    broker: Cluster, make_topic: MakeTopic, small_disk: Path, stream: Stream, tmp_path: Path
) -> None:
    case, store = Case(broker, make_topic, stream), f"sqlite:///{small_disk}/store.db"
    with case.lives(store, 0, code=4) as process:
        process.wait(60)
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    with case.lives(store, 0) as process:
        case.finish(store, process)

    assert only_replayed(store) == replayed(case, tmp_path)
