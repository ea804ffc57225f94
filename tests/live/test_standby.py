"""Two workers on one store: one works, the other stands by and takes over."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.parts.tansu import Cluster
from tests.parts.worker import WorkerProcess, eventually

pytestmark = pytest.mark.no_cover

MakeTopic = Callable[..., str]
Start = Callable[..., WorkerProcess]


@pytest.fixture(params=["sqlite", "postgresql"])
def start(
    request: pytest.FixtureRequest, broker: Cluster, make_topic: MakeTopic, tmp_path: Path
) -> Iterator[Start]:
    if request.param == "sqlite":
        store = f"sqlite:///{tmp_path}/live.db"
    else:
        store = request.getfixturevalue("postgres_url")
    topic = make_topic(name="access")
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:
        producer.send(topic, value=b"a line")
        producer.flush()
    started: list[WorkerProcess] = []

    def one(settings: Mapping[str, object] | None = None) -> WorkerProcess:
        wanted: dict[str, object] = {
            "store.url": store,
            "store.lease_s": 3,
            "store.commit_s": 0.2,
            "kafka.bootstrap_servers": f'["{broker.bootstrap}"]',
            "kafka.topics": f'{{"{topic}" = "access"}}',
            "kafka.start": "earliest",
        }
        started.append(WorkerProcess(wanted | dict(settings or {})))
        return started[-1]

    yield one
    for worker in started:
        worker.__exit__()


def test_the_second_waits_and_takes_over_from_one_that_is_killed(start: Start) -> None:
    first = start()
    first.wait_until_told("live:")
    second = start()
    second.wait_until_told("standing by: the store is held by process")
    told = second.get("/readyz")
    assert (told.status_code, told.json()["phase"]) == (200, "standby")
    first.end(signal.SIGKILL)
    second.wait_until_told("live:")
    eventually(lambda: second.get("/readyz").json()["lag"] == 0, "it goes on where the first was")


def test_one_that_was_stopped_for_too_long_finds_itself_replaced_and_writes_nothing(
    start: Start,
) -> None:
    first = start()
    first.wait_until_told("live:")
    second = start()
    second.wait_until_told("standing by")
    first.process.send_signal(signal.SIGSTOP)
    second.wait_until_told("live:")
    assert first.end(signal.SIGCONT) == 4
    assert any("was taken over by process" in line["msg"] for line in first.log)
    assert second.process.poll() is None


def test_the_second_is_let_in_at_once_by_one_that_ends_and_may_itself_be_told_to_end(
    start: Start,
) -> None:
    first = start({"store.lease_s": 600})
    first.wait_until_told("live:")
    refused = start({"run.standby": "false"})
    assert refused.wait() == 4
    assert any("is held by process" in line["msg"] for line in refused.log)
    second, third = start({"store.lease_s": 600}), start({"store.lease_s": 600})
    second.wait_until_told("standing by")
    third.wait_until_told("standing by")
    assert third.end(signal.SIGTERM) == 0
    assert first.end(signal.SIGTERM) == 0
    second.wait_until_told("live:")
