"""Probes, metrics and log of a worker on a real broker."""

from __future__ import annotations

import json
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO

import httpx
import pytest
from kafka import KafkaProducer
from prometheus_client import CollectorRegistry

from detector import logs
from detector.errors import InputError
from detector.live import Status, alive, ready
from detector.probes import Answer, Probes
from detector.secrecy import keep_secret
from tests.parts.tansu import Cluster
from tests.parts.worker import WorkerProcess, eventually

MakeTopic = Callable[..., str]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "canary-5d1c77/é"


@pytest.fixture
def stream() -> Iterator[StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = StringIO()
    logs.start(stream, "json")
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_line_of_the_log_is_one_json_object(stream: StringIO) -> None:
    fields = {"fields": {"incident_id": "i1", "at": NOON}}
    logging.getLogger("pushwake.run").info('a "word"\nor two', extra=fields)
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["component"], told["msg"]) == ("info", "run", 'a "word"\nor two')
    assert (told["incident_id"], told["at"]) == ("i1", "2026-03-01T12:00:00Z")
    assert datetime.fromisoformat(told["ts"]).tzinfo is not None


def test_what_repeats_is_told_once_a_minute_with_how_often(stream: StringIO) -> None:
    now = [0.0]
    repeats = logs.Repeats(lambda: now[0])
    logging.getLogger().handlers[0].filters[:] = [repeats]
    for second in range(61):
        now[0] = float(second)
        logging.getLogger("kafka").warning("no answer from %s", second)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["msg"], one.get("repeated", 0)) for one in told] == [
        ("no answer from 0", 0),
        ("no answer from 60", 59),
    ]


def test_a_secret_never_reaches_the_log_however_it_is_spelled(stream: StringIO) -> None:
    keep_secret(CANARY)
    for spelled in (CANARY, "canary-5d1c77%2F%C3%A9"):
        logging.getLogger("pushwake.run").error("refused: postgresql://me:%s@db", spelled)
        try:
            raise ValueError(spelled)
        except ValueError:
            logging.getLogger("pushwake.other").exception("a defect")
    assert "canary-5d1c77" not in stream.getvalue()
    assert "***" in stream.getvalue()


@pytest.fixture
def probes() -> Iterator[Probes]:
    keep_secret(CANARY)
    with Probes(
        "127.0.0.1",
        0,
        CollectorRegistry(),
        alive=lambda: Answer(True, {"phase": "live"}),
        ready=lambda: Answer(False, {"reason": f"refused: {CANARY}"}),
    ) as one:
        yield one


def test_probes_answer_with_a_code_for_machines_and_words_for_people(probes: Probes) -> None:
    base = f"http://127.0.0.1:{probes.port}"
    lives, is_ready = httpx.get(f"{base}/livez"), httpx.get(f"{base}/readyz?verbose")
    assert (lives.status_code, lives.json()) == (200, {"status": "ok", "phase": "live"})
    assert (is_ready.status_code, is_ready.json()["reason"]) == (503, "refused: ***")
    assert httpx.get(f"{base}/elsewhere").status_code == 404


def test_a_port_that_is_taken_is_named(probes: Probes) -> None:
    def nothing() -> Answer:
        return Answer(True, {})

    with pytest.raises(InputError, match=f"127.0.0.1:{probes.port}: cannot listen"):
        Probes("127.0.0.1", probes.port, CollectorRegistry(), nothing, nothing)


def test_a_peer_that_says_nothing_keeps_nobody_waiting(probes: Probes) -> None:
    with socket.create_connection(("127.0.0.1", probes.port)):
        assert httpx.get(f"http://127.0.0.1:{probes.port}/livez", timeout=5).status_code == 200


def test_a_loop_that_hangs_is_not_alive() -> None:
    assert alive(Status(), lambda: 1e6).ok  # not begun: opening the store may wait
    assert alive(Status(turned_s=100.0), lambda: 101.0).ok
    assert not alive(Status(turned_s=100.0), lambda: 400.0).ok


def test_it_is_ready_when_live_or_standing_by_and_not_far_behind() -> None:
    def is_ready(**facts: object) -> bool:
        status = Status()
        for name, value in facts.items():
            setattr(status, name, value)
        return ready(status, 600, lambda: NOON).ok

    assert not is_ready(phase="starting")
    assert not is_ready(phase="learning")
    assert is_ready(phase="standby")
    assert is_ready(phase="live")
    old = NOON - timedelta(hours=1)
    assert is_ready(phase="live", lag=0, event_time=old)  # nobody writes, which is another matter
    assert not is_ready(phase="live", lag=5, event_time=old)


def test_a_worker_tells_how_far_it_is_in_metrics_probes_and_log(
    broker: Cluster, make_topic: MakeTopic, tmp_path: object
) -> None:
    access, control = make_topic(2, "access"), make_topic(name="control")
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:
        for number in range(300):
            producer.send(access, value=b"no access log entry %d" % number)
        producer.flush()
    with WorkerProcess(
        {
            "store.url": f"sqlite:///{tmp_path}/live.db",
            "store.commit_s": 0.1,
            "kafka.bootstrap_servers": f'["{broker.bootstrap}"]',
            "kafka.topics": f'{{"{access}" = "access", "{control}" = "control-plane"}}',
            "kafka.start": "earliest",
        }
    ) as worker:
        eventually(lambda: worker.get("/readyz").status_code == 200, "ready")
        eventually(lambda: worker.metric("pushwake_values_read_total") == 300, "all read")
        eventually(lambda: worker.metric("pushwake_lag_records") == 0, "no lag")
        assert worker.metric('pushwake_phase{phase="live"}') == 1
        eventually(
            lambda: 'pushwake_rejects_total{reason="' in worker.get("/metrics").text, "rejects"
        )
        text = worker.get("/metrics").text
        assert "pushwake_commit_seconds_bucket" in text
        assert f'pushwake_consumer_lag_records{{partition="1",topic="{access}"}} 0.0' in text
        told = worker.get("/readyz").json()
        assert (told["phase"], told["lag"], told["catch_up_s"]) == ("live", 0, 0.0)
        assert worker.get("/livez").json()["status"] == "ok"
        assert worker.end(signal.SIGTERM) == 0
    messages = [line["msg"] for line in worker.log]
    assert any(message.startswith("live:") for message in messages)
    assert all({"ts", "level", "component", "msg"} <= line.keys() for line in worker.log)
    assert len(worker.log) == len(worker.lines)
