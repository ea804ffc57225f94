"""Record batches of the client as whole columns, instead of an object for every record.

kafka-python unpacks each record into two objects in Python, which was two thirds of what the worker
cost. Here its own code still fetches, checks sums, decompresses, leaves out aborted transactions
and keeps positions; only the last step, from the bytes of a batch to values and offsets, is ours.
This hooks into private parts of the client, so it is done for versions that it was tested with and
for no other (D18); without it the worker is slower and gives the same.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Protocol, cast

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecord
from kafka.record.util import decode_varint
from kafka.version import __version__

TESTED = frozenset({"3.0.12"})
"""Versions of kafka-python whose parts fit: `tests/pipelines/test_columns.py` compares them."""
MAX_BYTES = 16 * 1024 * 1024
"""Of unpacked records taken at a time, plus one batch: highly compressed ones unpack to much."""

_fetcher = attrgetter("_fetcher")
_place = attrgetter("_buffer", "_pos")  # of the unpacked records of a batch
_WIDE = 0x80  # set in every byte of a variable-length number but the last
_MAX_WIDTH = 9  # bytes of such a number that cannot overflow

log = logging.getLogger("pushwake.kafka")


class _Record(Protocol):
    """What the client makes of a record."""

    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    def validate_crc(self) -> bool: ...


class _Batch(Protocol):
    """What the client makes of a batch, before its records are unpacked."""

    @property
    def magic(self) -> int: ...
    @property
    def base_offset(self) -> int: ...
    @property
    def records_count(self) -> int: ...
    def __iter__(self) -> Iterator[_Record]: ...
    def __next__(self) -> _Record: ...


class _Batches(Protocol):
    """The bytes that were fetched of a partition: `kafka.record.MemoryRecords`."""

    def next_batch(self) -> _Batch | None: ...


def read_columns(consumer: KafkaConsumer, max_records: int, version: str = __version__) -> bool:
    """Have a consumer give columns; must be called before anything is fetched.

    Each of its records is then a column: ``value`` is the list of a batch's values and ``key`` the
    list of their offsets, of which the first may be smaller than what was asked for. A poll for one
    record gives the columns of one partition.

    Args:
        consumer: of which no record has been taken yet, and which deserialises nothing.
        max_records: records of a poll, at which no further batch is begun.
        version: of the client.

    Returns:
        Whether it will; False, and a warning in the log, when this client is not one that was
        tested.
    """
    if version not in TESTED:
        log.warning(
            "kafka-python %s was not tested for reading whole batches, only %s; "
            "records are read one by one, which takes more CPU",
            version,
            ", ".join(sorted(TESTED)),
        )
        return False
    _fetcher(consumer).PartitionRecords = partial(_Columns, max_records)
    return True


def joined(
    records: Sequence[ConsumerRecord], next_offset: int
) -> tuple[list[bytes | None], list[int]]:
    """Values and offsets of the columns of a partition, from ``next_offset`` on."""
    values: list[bytes | None] = []
    offsets: list[int] = []
    for one in records:
        values += one.value
        offsets += one.key
    before = bisect_left(offsets, next_offset)
    return values[before:], offsets[before:]


class _Columns(Fetcher.PartitionRecords):
    """What was fetched of a partition, in columns."""

    def __init__(
        self,
        max_records: int,
        fetch_offset: int,
        tp: TopicPartition,
        records: _Batches,
        **options: object,
    ) -> None:
        self._max_records = max_records
        self._error: Exception | None = None
        super().__init__(
            fetch_offset, tp, _ColumnBatches(records), **cast("dict[str, Any]", options)
        )

    def take(self, n: int | None = None) -> list[ConsumerRecord]:
        """The next columns: as many records as were asked for at the start, and hardly more."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        columns: list[ConsumerRecord] = []
        count, until = 0, self.bytes_read + MAX_BYTES
        try:
            while self and count < self._max_records and self.bytes_read < until:
                if not (more := super().take(1)):
                    break
                columns += more
                count += len(more[0].value)
        except Exception as error:
            if not columns:
                raise
            self._error = error  # for the next call, as the client itself does it
        return columns


class _ColumnBatches:
    """Batches that unpack to columns."""

    def __init__(self, records: _Batches) -> None:
        self._records = records

    def next_batch(self) -> _ColumnBatch | None:
        batch = self._records.next_batch()
        return None if batch is None else _ColumnBatch(batch)


class _ColumnBatch:
    """A batch that unpacks to a single record, which holds the column."""

    def __init__(self, batch: _Batch) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> object:
        return getattr(self._batch, name)

    def __next__(self) -> _Record:
        return next(self._batch)  # the marker of a transaction

    def __iter__(self) -> Iterator[DefaultRecord]:
        batch = self._batch
        records = iter(batch)  # and decompressed
        if batch.magic < 2:  # brokers before 0.11 wrote those
            yield from _one_by_one(records)
            return
        data, at = _place(batch)
        try:
            values, deltas = decode(bytes(data), at, batch.records_count)
        except (ValueError, IndexError):
            yield from _one_by_one(records)
            return
        if values:
            first = batch.base_offset
            yield _column(values, [first + delta for delta in deltas], len(data))


def _column(values: list[bytes | None], offsets: list[int], size: int) -> DefaultRecord:
    return DefaultRecord(size, offsets[-1], -1, 0, offsets, values, [])


def _one_by_one(records: Iterator[_Record]) -> Iterator[DefaultRecord]:
    """The column as the client itself reads it, up to the record that it finds damaged."""
    values: list[bytes | None] = []
    offsets: list[int] = []
    damage: Exception | None = None
    try:
        for record in records:
            if not record.validate_crc():
                raise CorruptRecordError(f"record at offset {record.offset} failed crc check")
            values.append(record.value)
            offsets.append(record.offset)
    except Exception as error:  # a codec may raise anything about damaged bytes
        damage = error
    if values:
        yield _column(values, offsets, sum(len(value or b"") for value in values))
    if damage is not None:
        raise damage


def decode(data: bytes, at: int, count: int) -> tuple[list[bytes | None], list[int]]:
    """Values and offset deltas of the uncompressed records of a batch.

    The format is Kafka's `DefaultRecord`: length, attributes, time delta, offset delta, key, value
    and headers, with numbers in zig-zag varints.

    Args:
        data: bytes of the batch.
        at: where its records begin.
        count: how many there are.

    Raises:
        ValueError: the records do not fill their lengths, or are of a rare shape; the client's own
            decoder knows which.
        IndexError: they end too early.
    """
    values: list[bytes | None] = []
    deltas: list[int] = []
    for _ in range(count):
        size = data[at]
        at += 1
        if size >= _WIDE:
            size, at = _wide(data, at - 1)
        end = at + (size >> 1)
        if size & 1 or data[at] >= _WIDE:
            raise ValueError("a negative length, or attributes that nobody knows")
        time = at = at + 1
        while data[at] >= _WIDE:
            at += 1
        delta = data[at + 1]
        at += 2
        if delta & 1 or at - time > _MAX_WIDTH:
            raise ValueError("a record before its batch, or a time out of range")
        if delta >= _WIDE:
            delta, at = _wide(data, at - 1)
        size = data[at]  # of the key
        at += 1
        if size >= _WIDE:
            size, at = _wide(data, at - 1)
        at += 0 if size & 1 else size >> 1
        size = data[at]  # of the value
        at += 1
        if size >= _WIDE:
            size, at = _wide(data, at - 1)
        stop = at if size & 1 else at + (size >> 1)
        values.append(None if size & 1 else data[at:stop])
        at = stop + 1 if data[stop] == 0 else _after_headers(data, stop)
        if at != end:
            raise ValueError("a record that does not fill its length")
        deltas.append(delta >> 1)
    if at != len(data):
        raise ValueError("bytes behind the last record")
    return values, deltas


def _wide(data: bytes, at: int) -> tuple[int, int]:
    """A number of two bytes or more, with its sign in the lowest bit as stored, and what follows.

    >>> _wide(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    low, high = data[at] & 0x7F, data[at + 1]
    if high < _WIDE:
        return low | high << 7, at + 2
    value, end = decode_varint(data, at)
    return (value << 1) ^ (value >> 63), end


def _after_headers(data: bytes, at: int) -> int:
    count, at = decode_varint(data, at)
    if count < 0:
        raise ValueError("a negative number of headers")
    for _ in range(count):
        size, at = decode_varint(data, at)
        if size < 0:
            raise ValueError("a header without a name")
        data[at : at + size].decode()
        at += size
        size, at = decode_varint(data, at)
        at += max(0, size)
    return at
