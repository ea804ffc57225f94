"""Whole batches read as columns, beside the client that reads record by record."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal, NamedTuple

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.protocol.consumer.offsets import IsolationLevel
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from pipelines.kafka import Connection, KafkaSource, Topics, columns
from pipelines.kafka.columns import decode, joined, read_columns
from tests.parts.kafka import Broker
from tests.parts.tansu import Cluster

MakeTopic = Callable[..., str]
Codec = Literal["gzip", "snappy", "lz4", "zstd"]
CODECS: tuple[Codec | None, ...] = (None, "gzip", "snappy", "lz4", "zstd")
PARTITION = TopicPartition("istio-proxy", 0)
WAIT_S = 20.0
PRODUCER = 7
CRC_AT, SUMMED_AT, RECORDS_AT = 17, 21, 61  # bytes of a batch; see kafka.record.default_records
COMMITTED = IsolationLevel.READ_COMMITTED


class Record(NamedTuple):
    """As a producer gives it."""

    gap: int  # offsets that compaction removed before it
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    time_ms: int


class Made(NamedTuple):
    """A batch as a producer and a broker make it."""

    records: list[Record]
    codec: int
    tail: int  # offsets that compaction removed behind its last record
    is_transactional: bool
    damage: tuple[int, int, bool] | None  # where, what, and whether the sum is made to fit


SOME_BYTES = st.binary(max_size=20) | st.binary(min_size=60, max_size=70).map(lambda b: b * 150)
RECORDS = st.builds(
    Record,
    gap=st.sampled_from([0, 0, 0, 1, 200]),
    key=st.none() | SOME_BYTES,
    value=st.none() | SOME_BYTES,
    headers=st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2),
    time_ms=st.sampled_from([0, 1, 63, 64, 20_000, 2**33, 2**62]),
)
DAMAGE = st.tuples(st.integers(CRC_AT, 200), st.integers(1, 255), st.booleans())
BATCHES = st.builds(
    Made,
    records=st.lists(RECORDS, min_size=1, max_size=5),
    codec=st.sampled_from([0, 0, 1, 2, 3, 4]),
    tail=st.sampled_from([0, 0, 3]),
    is_transactional=st.booleans(),
    damage=st.none() | st.none() | DAMAGE,
)


def built(made: Made, first: int) -> tuple[bytes, int]:
    """Its bytes, and the offset behind it."""
    producer = (PRODUCER, 0, 0) if made.is_transactional else (-1, -1, -1)
    builder: Any = DefaultRecordBatchBuilder(
        2, made.codec, made.is_transactional, *producer, batch_size=1 << 30
    )
    delta = -1
    for one in made.records:
        delta += 1 + one.gap
        builder.append(delta, one.time_ms, one.key, one.value, one.headers)
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, first)
    struct.pack_into(">i", data, SUMMED_AT + 2, delta + made.tail)
    if made.damage is not None and made.damage[0] < len(data):
        data[made.damage[0]] ^= made.damage[1]
    if made.damage is None or made.damage[2]:
        struct.pack_into(">I", data, CRC_AT, crc32c(memoryview(data)[SUMMED_AT:]))
    return bytes(data), first + delta + made.tail + 1


def marker(first: int, kind: int) -> bytes:
    """A control batch: 0 aborts, 1 commits."""
    builder: Any = DefaultRecordBatchBuilder(2, 0, True, PRODUCER, 0, 0, batch_size=1 << 20)
    builder.append(0, 0, struct.pack(">hh", 0, kind), b"\0" * 6, [])
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, first)
    data[SUMMED_AT + 1] |= 0x20
    struct.pack_into(">I", data, CRC_AT, crc32c(memoryview(data)[SUMMED_AT:]))
    return bytes(data)


class Aborted(NamedTuple):
    """As a broker tells of a transaction."""

    producer_id: int
    first_offset: int


class Read(NamedTuple):
    """What became of what was fetched."""

    records: list[tuple[int, bytes | None]]
    ends: list[int]  # the position after each record or batch that was taken
    error: str


def one_by_one(
    data: bytes, fetch_offset: int, aborted: Sequence[Aborted], isolation: object
) -> Read:
    part = Fetcher.PartitionRecords(
        fetch_offset,
        PARTITION,
        MemoryRecords(data),
        isolation_level=isolation,
        aborted_transactions=aborted,
    )
    return drained(part, lambda taken: [(one.offset, one.value) for one in taken])


def in_columns(
    data: bytes, fetch_offset: int, aborted: Sequence[Aborted], isolation: object, limit: int
) -> Read:
    part = columns._Columns(
        limit,
        fetch_offset,
        PARTITION,
        MemoryRecords(data),
        isolation_level=isolation,
        aborted_transactions=aborted,
    )

    def pairs(taken: list[ConsumerRecord]) -> list[tuple[int, bytes | None]]:
        values, offsets = joined(taken, fetch_offset)
        return list(zip(offsets, values, strict=True))

    return drained(part, pairs)


def drained(part: Fetcher.PartitionRecords, pairs: Callable[[list[ConsumerRecord]], Any]) -> Read:
    read, ends, error = [], [], ""
    try:
        while part and (taken := part.take(1)):
            read += pairs(taken)
            ends.append(part.next_fetch_offset)
    except Exception as damage:
        error = f"{type(damage).__name__}: {damage}"
    return Read(read, [*ends, part.next_fetch_offset], error)


@given(
    batches=st.lists(BATCHES, min_size=1, max_size=4),
    start=st.integers(0, 12),
    kinds=st.lists(st.sampled_from([0, 1]), min_size=4, max_size=4),
    isolation=st.sampled_from(list(IsolationLevel)),
    limit=st.sampled_from([1, 3, 1000]),
)
def test_columns_are_what_the_client_reads_record_by_record_up_to_the_same_error(
    batches: list[Made], start: int, kinds: list[int], isolation: object, limit: int
) -> None:
    data, offset = b"", 0
    aborted = []
    for made, kind in zip(batches, kinds, strict=False):
        if made.is_transactional and kind == 0:
            aborted.append(Aborted(PRODUCER, offset))
        batch, offset = built(made, offset)
        data += batch
        if made.is_transactional:
            data += marker(offset, kind)
            offset += 1
    expected = one_by_one(data, start, aborted, isolation)
    read = in_columns(data, start, aborted, isolation, limit)
    assert (read.records, read.error) == (expected.records, expected.error)
    assert read.ends[-1] == expected.ends[-1]
    assert set(read.ends) <= {start, *expected.ends}


@given(st.lists(st.none() | SOME_BYTES, min_size=1, max_size=5), st.sampled_from([0, 1]))
def test_batches_of_brokers_before_0_11_are_columns_too(
    values: list[bytes | None], magic: int
) -> None:
    builder: Any = LegacyRecordBatchBuilder(magic, 1, 1 << 30)
    for number, value in enumerate(values):
        builder.append(number, timestamp=0, key=None, value=value)
    data = bytes(builder.build())
    expected = one_by_one(data, 1, [], COMMITTED)
    assert in_columns(data, 1, [], COMMITTED, 1000).records == expected.records
    assert [value for _, value in expected.records] == values[1:]


def test_a_poll_ends_with_the_batch_that_reaches_the_limit_of_records_or_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Record(0, None, b"x" * 100, [], 0)
    data, offset = b"", 0
    for _ in range(6):
        batch, offset = built(Made([record] * 10, 0, 0, False, None), offset)
        data += batch
    assert in_columns(data, 0, [], COMMITTED, 15).ends == [20, 40, 60, 60]
    monkeypatch.setattr(columns, "MAX_BYTES", 2_500)
    assert in_columns(data, 0, [], COMMITTED, 1000).ends == [30, 60, 60]


@given(st.lists(RECORDS.filter(lambda one: one.time_ms < 2**40), min_size=1, max_size=5))
def test_common_records_never_need_the_client_to_unpack_them(records: list[Record]) -> None:
    data, _ = built(Made(records, 0, 0, False, None), 0)
    values, deltas = decode(data, RECORDS_AT, len(records))
    assert values == [one.value for one in records]
    assert len(deltas) == len(records)


def write(broker: Broker, topic: str) -> int:
    """Every codec, with and without transactions, whose end alternates; returns the end offset."""
    for number, codec in enumerate(CODECS):
        with closing(
            KafkaProducer(
                bootstrap_servers=broker.bootstrap,
                transactional_id=f"{topic}-{number}",
                compression_type=codec,
                linger_ms=20,
            )
        ) as producer:
            producer.init_transactions()
            for end in ("commit", "abort", "commit"):
                producer.begin_transaction()
                for line in range(150):
                    value = b"" if line == 3 else b"%s %s %d" % (end.encode(), topic.encode(), line)
                    headers = [("kind", b"x"), ("", b"")] if line % 50 == 7 else []
                    key = b"k%d" % line if line % 9 == 0 else None
                    producer.send(
                        topic, value=None if line == 9 else value, key=key, headers=headers
                    )
                getattr(producer, f"{end}_transaction")()
    with closing(KafkaConsumer(bootstrap_servers=broker.bootstrap)) as consumer:
        one = TopicPartition(topic, 0)
        return consumer.end_offsets([one])[one]


def by_the_client(broker: Broker, topic: str, start: int) -> Iterator[tuple[int, bytes | None]]:
    one = TopicPartition(topic, 0)
    with closing(
        KafkaConsumer(bootstrap_servers=broker.bootstrap, isolation_level="read_committed")
    ) as consumer:
        consumer.assign([one])
        consumer.seek(one, start)
        end = consumer.end_offsets([one])[one]
        deadline = time.monotonic() + WAIT_S
        while (consumer.position(one) or 0) < end and time.monotonic() < deadline:
            for record in consumer.poll(timeout_ms=200).get(one, []):
                yield record.offset, record.value


def by_the_source(broker: Cluster, topic: str, start: int, end: int) -> list[tuple[int, Any]]:
    with closing(
        KafkaSource(
            Connection([broker.bootstrap]),
            Topics({topic: "access"}),
            max_records=100,
            monotonic_s=time.monotonic,
        )
    ) as source:
        source.seek({(topic, 0): start})
        read: list[tuple[int, bytes | None]] = []
        deadline = time.monotonic() + WAIT_S
        while not source.caught_up(topic, 0) and time.monotonic() < deadline:
            if batch := source.poll():
                read += [(batch.offset(n), value) for n, value in enumerate(batch.values)]
        assert read[-1][0] < end
        return read


def test_a_real_broker_gives_the_same_records_in_columns_with_every_codec_and_transactions(
    apache: Broker, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    end = write(apache, topic)
    for start in (0, 77, end // 2):
        expected = list(by_the_client(apache, topic, start))
        assert len(expected) > 500
        assert by_the_source(apache, topic, start, end) == expected


def test_a_client_that_was_not_tested_reads_record_by_record_and_this_is_said(
    broker: Cluster,
    make_topic: MakeTopic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    topic = make_topic()
    with closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as producer:
        for number in range(300):
            producer.send(topic, value=b"%d" % number)
        producer.flush()
    monkeypatch.setattr(columns, "TESTED", frozenset({"0.0.1"}))
    read = by_the_source(broker, topic, 5, 300)
    assert read == [(number, b"%d" % number) for number in range(5, 300)]
    assert "was not tested for reading whole batches, only 0.0.1" in caplog.text


def test_the_pinned_client_is_one_that_was_tested(broker: Cluster) -> None:
    with closing(KafkaConsumer(bootstrap_servers=broker.bootstrap)) as consumer:
        assert read_columns(consumer, 1)
