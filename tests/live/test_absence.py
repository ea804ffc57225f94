"""Partitions that no broker serves, shippers far behind, and what a worker must not tell."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from kafka import KafkaConsumer, TopicPartition, errors

from detector import clock
from detector.live import Live, Metrics, Status, absence
from detector.live.absence import AWAY_S, HEARD_S, Absences
from detector.live.health import LOOK_S, Health
from detector.live.watermarks import Reading, Watermarks
from detector.record import Record
from detector.settings import Settings
from detector.worker import Worker
from pipelines.batch import Batch
from pipelines.kafka.presence import ASK_S, Presence
from pipelines.source import Loss, Offsets
from tests.parts.kafka import PASSWORD, USER, Broker
from tests.parts.worker import WorkerProcess, eventually

MakeTopic = Callable[..., str]
A, B = ("access", 0), ("access", 1)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVED, IDLE, AWAY = Reading(False, 0.0), Reading(True, 500.0), Reading(False, 500.0)


class Stand:
    """Absences on a clock of their own."""

    def __init__(self) -> None:
        self.s = 0.0
        self.absences = Absences(lambda: self.s)

    def look(self, seconds: float, **readings: Reading) -> list[tuple[str, int]]:
        self.s += seconds
        self.absences.look({("access", int(name[1:])): one for name, one in readings.items()})
        return sorted(self.absences.away)


def test_a_partition_without_a_leader_is_waited_for_as_long_as_a_restart_may_take() -> None:
    stand = Stand()
    assert stand.look(AWAY_S - 1, p0=SERVED, p1=AWAY) == []
    assert stand.look(1, p0=SERVED, p1=AWAY) == [B]
    assert stand.look(1, p0=SERVED, p1=SERVED) == []
    assert stand.look(1, p0=SERVED, p1=AWAY) == []


def test_all_wait_together_while_no_broker_can_be_reached() -> None:
    stand = Stand()
    for _ in range(10):
        assert stand.look(AWAY_S, p0=AWAY, p1=AWAY) == []
    assert stand.look(HEARD_S, p0=SERVED, p1=AWAY) == []


def test_one_that_is_idle_or_merely_behind_is_not_away() -> None:
    stand = Stand()
    assert stand.look(2 * AWAY_S, p0=SERVED, p1=IDLE) == []
    assert stand.look(2 * AWAY_S, p0=SERVED, p1=SERVED) == []


class Ends:
    """A cluster in which one partition has no leader."""

    def __init__(self, without_leader: TopicPartition) -> None:
        self._without_leader = without_leader

    def end_offsets(
        self, partitions: Sequence[TopicPartition], timeout_ms: int
    ) -> dict[TopicPartition, int]:
        del timeout_ms
        if self._without_leader in partitions:
            raise errors.KafkaTimeoutError
        return dict.fromkeys(partitions, 7)

    def position(self, _: TopicPartition, timeout_ms: int) -> int:
        del timeout_ms
        return 7


def test_a_partition_without_a_leader_does_not_make_its_idle_neighbours_doubtful_for_long() -> None:
    now = [0.0]
    presence = Presence(lambda: now[0])
    all_ = [TopicPartition("access", number) for number in range(64)]
    consumer = cast("KafkaConsumer", Ends(all_[40]))
    while now[0] < AWAY_S / 2:
        now[0] += ASK_S
        presence.ask(consumer, dict.fromkeys(all_, 60.0))
    assert [one for one in all_ if not presence.is_sure(one)] == [all_[40]]


class TwoPartitions:
    """A source of which the second partition is never served."""

    problems: Sequence[Loss] = ()

    def __init__(self) -> None:
        self.read = 0
        self.partitions = [A, B]

    def poll(self) -> Batch:
        self.read += 1
        time = clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Batch("access", 0, self.read - 1, self.read, [LINE % time.encode()], "access")

    def seek(self, offsets: Offsets) -> None:
        del offsets

    def committed(self, offsets: Offsets) -> None:
        del offsets

    def caught_up(self, _: str, partition: int) -> bool:
        return partition == 0

    def quiet_s(self, _: str, partition: int) -> float:
        return 0.0 if partition == 0 else 500.0

    def lags(self) -> Mapping[tuple[str, int], int]:
        return {}


LINE = (
    b'[%s] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 2 3 2 "-" "curl/8" "r-1" "web" '
    b'"10.0.0.9:80" outbound|80||web.shop.svc.cluster.local '
    b"10.0.0.1:4 10.0.0.2:80 10.0.0.1:5 - default"
)


def test_judging_goes_on_without_a_partition_that_is_away_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings()
    worker, status = Worker(settings), Status()
    live = Live(
        TwoPartitions(),
        worker,
        Record(None, worker, 5.0),
        settings,
        status=status,
        metrics=Metrics(status, lambda: START, "x"),
    )
    live.turn()
    live.turn()
    assert live._marks.value(live._served(live._readings()), timedelta(0)) is None
    monkeypatch.setattr(absence, "AWAY_S", 0.0)
    live.turn()
    assert live._marks.value(live._served(live._readings()), timedelta(0)) is not None
    live._health._looked_s -= 60
    live.turn()
    (one,) = live._health.open
    assert one.subject == "access[1]"
    assert "judging goes on without it" in one.text


def lines(second: int, flags: str, code: int, count: int) -> list[bytes]:
    time = (START + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
    told = b'" %d %s via_upstream' % (code, flags.encode())
    return [(LINE % time).replace(b'" 200 - via_upstream', told)] * count


def test_a_shipper_that_sends_hours_old_failures_among_fresh_lines_raises_no_incident() -> None:
    worker, status = Worker(Settings()), Status(phase="live")
    monotonic = [0.0]
    health = Health(worker, status, 600.0, now=lambda: START, monotonic_s=lambda: monotonic[0])
    marks = Watermarks()
    read = [0, 0]
    backlog = 0

    def take(partition: int, values: list[bytes], now: datetime) -> None:
        first, read[partition] = read[partition], read[partition] + len(values)
        batch = Batch("access", partition, first, read[partition], values, "access")
        marks.heard(("access", partition), worker.add(batch), now)

    for second in range(0, 900, 10):
        now = START + timedelta(seconds=second)
        take(0, lines(second, "-", 200, 40), now)
        if second >= 450:
            old = lines(second - 7200, "UF", 503, 20)
            take(1, old, now)
            backlog += len(old)
        caught_up = {A: Reading(True, 0.0), B: Reading(True, 0.0 if second >= 450 else 900.0)}
        watermark = marks.value(caught_up, timedelta(seconds=20))
        assert watermark is not None
        worker.advance(watermark)
        if second in (400, 890):
            monotonic[0] += LOOK_S
            health.look(caught_up)
    assert worker.late == backlog
    assert worker.incidents == []
    (one,) = health.open
    assert one.kind == "late"
    assert f"{backlog:,} of " in one.text


def test_the_brokers_password_is_in_no_metric_probe_or_log(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    topic = make_topic()
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    with WorkerProcess(
        {
            "store.url": f"sqlite:///{tmp_path}/live.db",
            "kafka.bootstrap_servers": f'["127.0.0.1:{apache.sasl_port}"]',
            "kafka.topics": f'{{"{topic}" = "access"}}',
            "kafka.security_protocol": "SASL_PLAINTEXT",
            "kafka.sasl_mechanism": "SCRAM-SHA-256",
            "kafka.username": USER,
            "kafka.password_file": secret,
        }
    ) as worker:
        eventually(lambda: worker.get("/readyz").status_code == 200, "ready")
        for page in ("/metrics", "/readyz?verbose", "/livez"):
            assert PASSWORD not in worker.get(page).text
        assert worker.end(signal.SIGTERM) == 0
    assert worker.log
    assert PASSWORD not in "".join(worker.lines)
