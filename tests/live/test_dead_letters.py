"""Records that are not understood, in a topic of their own."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord

from pipelines.kafka.dead_letters import LIMIT_BYTES, SHORT_BYTES
from tests.parts.kafka import Broker
from tests.parts.worker import WAIT_S, WorkerProcess, eventually

MakeTopic = Callable[..., str]


def read(apache: Broker, topic: str, count: int) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    with closing(
        KafkaConsumer(
            topic, bootstrap_servers=apache.bootstrap, auto_offset_reset="earliest", group_id=None
        )
    ) as consumer:
        deadline = time.monotonic() + WAIT_S
        while len(found) < count and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=200).values():
                found += records
    return found


def settings(apache: Broker, access: str, letters: str, folder: Path) -> dict[str, object]:
    return {
        "store.url": f"sqlite:///{folder}/live.db",
        "store.commit_s": 0.1,
        "store.lease_s": 1,
        "kafka.bootstrap_servers": f'["{apache.bootstrap}"]',
        "kafka.topics": f'{{"{access}" = "access"}}',
        "kafka.start": "earliest",
        "kafka.dead_letter_topic": letters,
    }


def test_each_is_kept_whole_with_its_reason_and_where_it_came_from(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    access, letters = make_topic(name="access"), make_topic(name="letters")
    values = [b"\x00\xff not a line", None, b"", *(b"odd %d" % n for n in range(3_000))]
    with closing(KafkaProducer(bootstrap_servers=apache.bootstrap)) as producer:
        for value in values:
            producer.send(access, value=value, key=b"k")
        producer.flush()
    with WorkerProcess(settings(apache, access, letters, tmp_path)) as worker:
        eventually(
            lambda: worker.metric("pushwake_dead_letters_total") == len(values), "all buried"
        )
        assert worker.end(signal.SIGTERM) == 0
    found = read(apache, letters, len(values))
    assert [one.value for one in found] == [value or b"" for value in values]
    assert [one.key for one in found] == [b"%s/0/%d" % (access.encode(), n) for n in range(3_003)]
    headers = dict(found[0].headers)
    assert headers["pushwake.topic"] == access.encode()
    assert (headers["pushwake.partition"], headers["pushwake.offset"]) == (b"0", b"0")
    assert headers["pushwake.reason"]


def test_what_is_too_large_for_the_topic_is_cut_and_stops_nobody(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    access = make_topic(name="access", **{"max.message.bytes": "3000000"})
    letters = make_topic(name="letters", **{"max.message.bytes": "100000"})
    # noise, so that compression does not help
    huge, large = noise(1_500_000), noise(200_000)
    with closing(
        KafkaProducer(bootstrap_servers=apache.bootstrap, max_request_size=3_000_000)
    ) as producer:
        for value in (huge, large, b"small"):
            producer.send(access, value=value)
            producer.flush()
    assert len(huge) > LIMIT_BYTES
    with WorkerProcess(settings(apache, access, letters, tmp_path)) as worker:
        eventually(lambda: worker.metric("pushwake_dead_letters_total") == 3, "all buried")
        assert worker.end(signal.SIGTERM) == 0
    found = {one.key.rpartition(b"/")[2]: one for one in read(apache, letters, 3)}
    assert found[b"2"].value == b"small"
    for key, value in ((b"0", huge), (b"1", large)):
        assert found[key].value == value[:SHORT_BYTES]
        assert dict(found[key].headers)["pushwake.cut-from-bytes"] == b"%d" % len(value)


def test_a_topic_that_is_not_there_ends_the_worker_before_it_counts_them(
    apache: Broker, make_topic: MakeTopic, tmp_path: Path
) -> None:
    access = make_topic(name="access")
    with closing(KafkaProducer(bootstrap_servers=apache.bootstrap)) as producer:
        producer.send(access, value=b"odd")
        producer.flush()
    wanted = settings(apache, access, "nowhere", tmp_path) | {"kafka.timeout_s": 3}
    with WorkerProcess(wanted) as worker:
        assert worker.wait() == 3
    letters = make_topic(name="letters")
    with WorkerProcess(wanted | {"kafka.dead_letter_topic": letters}) as worker:
        eventually(lambda: worker.metric("pushwake_dead_letters_total") == 1, "buried")
        assert worker.end(signal.SIGTERM) == 0
    assert [one.value for one in read(apache, letters, 1)] == [b"odd"]


def noise(size: int) -> bytes:
    return b"\x00" + random.Random(size).randbytes(size - 1)
