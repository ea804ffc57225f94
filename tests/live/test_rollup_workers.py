"""Rollup workers read for the one that judges, and nobody can tell from what is found."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient, NewTopic

from detector import clock
from tests.detector.test_crash import RESOLVE_S, Case, only_replayed, replayed
from tests.live.test_dead_letters import read
from tests.parts.kafka import Broker
from tests.parts.stream import Stream, seeded
from tests.parts.worker import WorkerProcess, eventually

pytestmark = pytest.mark.no_cover

MakeTopic = Callable[..., str]
SEED = 11
KILLS = 4
HERE = {"rollup.on": "true", "rollup.linger_s": 0.2, "rollup.port": 0, "kafka.start": "earliest"}


def settings(broker: Broker, topics: str, **more: object) -> dict[str, object]:
    found = {
        "kafka.bootstrap_servers": f'["{broker.bootstrap}"]',
        "kafka.topics": topics,
        "kafka.max_records": 500,
        "kafka.discover_s": 1,
        "rollup.group": f"rollup-{topics[2:40]}",
    }
    return HERE | found | more


def rollup(shared: dict[str, object], instance: str) -> WorkerProcess:
    return WorkerProcess(shared | {"rollup.instance": instance}, verb="rollup")


def counted(worker: WorkerProcess) -> int:
    """Records that a worker has heard of, whoever read them."""
    families = ("pushwake_records_total{", "pushwake_rejects_total{")
    lines = worker.get("/metrics").text.splitlines()
    return round(sum(float(one.split()[-1]) for one in lines if one.startswith(families)))


def test_killed_again_and_again_they_neither_lose_nor_double_a_record(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    stream: Stream = seeded(SEED, clock.now() + timedelta(minutes=2))
    case = Case(apache, make_topic, stream)
    store = f"sqlite:///{tmp_path}/live.db"
    topics = f'{{"{case.access}" = "access", "{case.control}" = "control-plane"}}'
    shared = settings(apache, topics, **{"detection.resolve_s": RESOLVE_S})
    rng = random.Random(SEED)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(rollup(shared, name)) for name in ("a", "b")}
        for number in range(KILLS):
            name = "ab"[number % 2]
            workers[name].wait_until_told("reads")
            time.sleep(rng.uniform(0.0, 1.0))
            workers[name].end(signal.SIGKILL)
            workers[name] = stack.enter_context(rollup(shared, name))
        judge = stack.enter_context(WorkerProcess(shared | {"store.url": store}))
        judge.wait_until_told("probes and metrics")
        eventually(lambda: counted(judge) == stream.records, f"all {stream.records} are counted")
        judge.wait_until_told("live: ")
        for one in (judge, *workers.values()):
            assert one.end(signal.SIGTERM) == 0, "".join(one.lines)

    assert only_replayed(store) == replayed(case, tmp_path)


def test_what_they_do_not_understand_is_buried_and_told_with_its_place(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    access, letters = make_topic(name="access"), make_topic(name="letters")
    Stream([[b"\x00\xff not a line"]], []).write(apache.bootstrap, access, access)
    shared = settings(apache, f'{{"{access}" = "access"}}', **{"kafka.dead_letter_topic": letters})
    store = f"sqlite:///{tmp_path}/live.db"
    with rollup(shared, "a"), WorkerProcess(shared | {"store.url": store}) as judge:
        eventually(lambda: counted(judge) == 1, "the reject is counted")
        assert judge.metric("pushwake_dead_letters_total") == 0

    (letter,) = read(apache, letters, 1)
    assert letter.value == b"\x00\xff not a line"


def test_a_topic_for_counts_with_other_partitions_is_refused(
    apache: Broker, make_topic: MakeTopic
) -> None:
    access = make_topic(partitions=2, name="access")
    with KafkaAdminClient(bootstrap_servers=apache.bootstrap) as admin:
        admin.create_topics([NewTopic(f"{access}.rollups", 3, 1)])
    with rollup(settings(apache, f'{{"{access}" = "access"}}'), "a") as worker:
        assert worker.wait() == 3
        assert any(f"it has 3 partitions, and {access} has 2" in line for line in worker.lines)


def test_nobody_rolls_up_for_a_worker_that_reads_by_itself() -> None:
    with WorkerProcess({}, verb="rollup") as worker:
        assert worker.wait() == 2
        assert any("Set rollup.on = true" in line for line in worker.lines)
