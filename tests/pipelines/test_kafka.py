"""Topics of a real Apache Kafka as a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Literal

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic

from detector import clock
from pipelines.batch import Batch
from pipelines.kafka import Connection, DeadLetter, DeadLetters, KafkaSource, Topics
from pipelines.source import Offsets, SourceError
from tests.parts.kafka import PASSWORD, USER, Broker
from tests.parts.tansu import Cluster

MakeTopic = Callable[..., str]
Codec = Literal["gzip", "snappy", "lz4", "zstd"]
WAIT_S = 20.0


@pytest.fixture
def producer(broker: Cluster) -> Iterator[KafkaProducer]:
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=0)) as one:
        yield one


def write(
    producer: KafkaProducer, topic: str, values: Sequence[bytes | None], partition: int = 0
) -> None:
    for value in values:
        producer.send(topic, value=value, key=None if value else b"k", partition=partition)
    producer.flush()


def source(
    broker: Cluster,
    topic: str,
    offsets: Offsets | None = None,
    start: str | datetime = "earliest",
) -> KafkaSource:
    one = KafkaSource(
        Connection([broker.bootstrap]),
        Topics({topic: "access"}),
        start=start,
        group=topic.strip("^"),
        discover_s=0.3,
        monotonic_s=time.monotonic,
    )
    one.seek(offsets or {})
    return one


def read(one: KafkaSource, count: int) -> list[Batch]:
    """Batches until so many values came."""
    batches: list[Batch] = []
    deadline = time.monotonic() + WAIT_S
    while sum(len(batch.values) for batch in batches) < count and time.monotonic() < deadline:
        if batch := one.poll():
            batches.append(batch)
    return batches


def values(batches: Sequence[Batch]) -> list[bytes | None]:
    return [value for batch in batches for value in batch.values]


def test_batches_of_a_partition_join_without_gap_or_overlap(
    broker: Cluster, make_topic: MakeTopic, producer: KafkaProducer
) -> None:
    topic = make_topic(partitions=2)
    lines = [b"%d" % n for n in range(2_000)]
    for partition in (0, 1):
        write(producer, topic, lines, partition=partition)
    with closing(source(broker, topic)) as one:
        batches = read(one, 4_000)
        for partition in (0, 1):
            own = [batch for batch in batches if batch.partition == partition]
            assert values(own) == lines
            assert [b.first_offset for b in own[1:]] == [b.next_offset for b in own[:-1]]
            assert (own[0].first_offset, own[-1].next_offset) == (0, 2_000)
            assert one.caught_up(topic, partition)
        assert one.lag() == 0


def test_reading_goes_on_at_the_offsets_given_and_new_partitions_begin_at_their_beginning(
    apache: Broker, make_topic: MakeTopic, producer: KafkaProducer
) -> None:
    topic = make_topic(partitions=1)
    write(producer, topic, [b"a", b"b", b"c"], partition=0)
    with closing(source(apache, topic, {(topic, 0): 2}, start="latest")) as one:
        assert values(read(one, 1)) == [b"c"]
        with KafkaAdminClient(bootstrap_servers=apache.bootstrap) as admin:
            admin.create_partitions({topic: NewPartitions(2)})
        with closing(KafkaProducer(bootstrap_servers=apache.bootstrap)) as fresh:
            write(fresh, topic, [b"new"], partition=1)
        assert values(read(one, 1)) == [b"new"]


def test_a_first_run_begins_at_the_end_at_the_beginning_or_at_a_time(
    apache: Broker, make_topic: MakeTopic, producer: KafkaProducer
) -> None:
    topic = make_topic()
    begin = clock.now() - timedelta(hours=1)  # retention would take older ones from us
    for minute, value in enumerate((b"before", b"at", b"after")):
        stamp = round((begin + timedelta(minutes=minute - 1)).timestamp() * 1000)
        producer.send(topic, value=value, timestamp_ms=stamp)
    producer.flush()
    with closing(source(apache, topic, start=begin)) as one:
        assert values(read(one, 2)) == [b"at", b"after"]
    with closing(source(apache, topic, start="latest")) as one:
        assert one.poll() is None
        write(producer, topic, [b"live"])
        assert values(read(one, 1)) == [b"live"]


def test_topics_of_a_pattern_are_found_while_running(
    broker: Cluster, make_topic: MakeTopic, producer: KafkaProducer
) -> None:
    first = make_topic(name="mesh")
    prefix = first.rpartition("-")[2]
    with closing(source(broker, f"^(mesh-{prefix}|{prefix}-more)$")) as one:
        write(producer, first, [b"one"])
        assert values(read(one, 1)) == [b"one"]
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
            admin.create_topics([NewTopic(f"{prefix}-more", 1, 1)])
        write(producer, f"{prefix}-more", [b"two"])
        assert values(read(one, 1)) == [b"two"]


def test_tombstones_and_empty_values_arrive_as_they_are(
    broker: Cluster, make_topic: MakeTopic, producer: KafkaProducer
) -> None:
    topic = make_topic()
    write(producer, topic, [b"a", None, b"", b"b"])
    with closing(source(broker, topic)) as one:
        assert values(read(one, 4)) == [b"a", None, b"", b"b"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_is_read(broker: Cluster, make_topic: MakeTopic, codec: Codec) -> None:
    topic = make_topic()
    lines = [b"line %d" % n for n in range(500)]
    with closing(
        KafkaProducer(bootstrap_servers=broker.bootstrap, compression_type=codec, linger_ms=20)
    ) as producer:
        write(producer, topic, lines)
    with closing(source(broker, topic)) as one:
        assert values(read(one, 500)) == lines


def test_records_of_aborted_transactions_are_left_out_and_their_markers_do_not_count_as_lag(
    apache: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    with closing(
        KafkaProducer(bootstrap_servers=apache.bootstrap, transactional_id=topic)
    ) as producer:
        producer.init_transactions()
        for value, end in ((b"kept", "commit"), (b"undone", "abort"), (b"last", "commit")):
            producer.begin_transaction()
            producer.send(topic, value=value)
            getattr(producer, f"{end}_transaction")()
    with closing(source(apache, topic)) as one:
        assert values(read(one, 2)) == [b"kept", b"last"]
        deadline = time.monotonic() + WAIT_S
        while not one.caught_up(topic, 0) and time.monotonic() < deadline:
            assert one.poll() is None
        assert one.caught_up(topic, 0)


def test_records_that_retention_deleted_are_told_and_reading_goes_on_behind_them(
    apache: Broker, make_topic: MakeTopic, producer: KafkaProducer
) -> None:
    topic = make_topic()
    write(producer, topic, [b"%d" % n for n in range(10)])
    with KafkaAdminClient(bootstrap_servers=apache.bootstrap) as admin:
        admin.delete_records({TopicPartition(topic, 0): 7})
    with closing(source(apache, topic, {(topic, 0): 2})) as one:
        assert values(read(one, 3)) == [b"7", b"8", b"9"]
        (loss,) = one.problems
        assert (loss.first_offset, loss.next_offset) == (2, 7)
        assert "5 offsets from 2 on not read" in str(loss)


def test_a_topic_that_does_not_exist_is_an_error_that_says_what_to_do(broker: Cluster) -> None:
    with (
        closing(source(broker, "no-such-topic")) as one,
        pytest.raises(SourceError, match=r"no-such-topic: this topic does not exist.*Create"),
    ):
        one.poll()


def test_brokers_that_do_not_answer_are_an_error_at_the_start() -> None:
    with pytest.raises(SourceError, match=r"127.0.0.1:9: no broker answers"):
        KafkaSource(
            Connection(["127.0.0.1:9"]), Topics({}), timeout_s=0.5, monotonic_s=time.monotonic
        )


def wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline


def test_a_broker_that_dies_is_waited_for_and_until_then_nothing_is_known_to_be_read(
    own_broker: Broker,
) -> None:
    with KafkaAdminClient(bootstrap_servers=own_broker.bootstrap) as admin:
        admin.create_topics([NewTopic("t", 1, 1)])
    with closing(KafkaProducer(bootstrap_servers=own_broker.bootstrap)) as producer:
        write(producer, "t", [b"before"])
    with closing(source(own_broker, "t")) as one:
        assert values(read(one, 1)) == [b"before"]
        own_broker.kill()
        wait(lambda: one.poll() is None and not one.caught_up("t", 0))
        own_broker.start()
        wait(lambda: one.poll() is None and one.caught_up("t", 0))
        with closing(KafkaProducer(bootstrap_servers=own_broker.bootstrap)) as producer:
            write(producer, "t", [b"after"])
        assert values(read(one, 1)) == [b"after"]
        assert one.caught_up("t", 0)
        assert not one.problems


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_lets_in_who_knows_the_password_and_nobody_else(
    apache: Broker, mechanism: str
) -> None:
    def connect(password: str) -> KafkaSource:
        connection = Connection(
            [f"127.0.0.1:{apache.sasl_port}"],
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism=mechanism,
            username=USER,
            password=password,
        )
        assert password not in repr(connection)
        return KafkaSource(connection, Topics({}), timeout_s=3, monotonic_s=time.monotonic)

    connect(PASSWORD).close()
    with pytest.raises(SourceError) as refused:
        connect("wrong-canary")
    assert "wrong-canary" not in str(refused.value)


def test_tls_needs_the_clients_certificate(apache: Broker) -> None:
    certificate, key = apache.authority.issue("client")

    def connect(certificate_file: str, key_file: str) -> KafkaSource:
        connection = Connection(
            [f"127.0.0.1:{apache.tls_port}"],
            security_protocol="SSL",
            ca_file=str(apache.authority.file),
            certificate_file=certificate_file,
            key_file=key_file,
        )
        return KafkaSource(connection, Topics({}), timeout_s=3, monotonic_s=time.monotonic)

    connect(str(certificate), str(key)).close()
    with pytest.raises(SourceError):
        connect("", "")


def test_dead_letters_bear_their_reason_and_origin(broker: Cluster, make_topic: MakeTopic) -> None:
    topic = make_topic()
    with closing(DeadLetters(Connection([broker.bootstrap]), topic)) as letters:
        letters.send([DeadLetter(b"\xff", "not UTF-8", "istio-proxy", 3, 41)])
        letters.flush()
    with closing(source(broker, topic)) as one:
        assert values(read(one, 1)) == [b"\xff"]
