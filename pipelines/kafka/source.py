"""Topics of Apache Kafka as a `Source`.

Partitions are assigned by hand, never by a group: which offset comes next is in our own store,
in the transaction that holds what the records before it have brought.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kafka import KafkaConsumer, TopicPartition, errors
from kafka.structs import OffsetAndMetadata

from pipelines.batch import Batch, Kind, gaps
from pipelines.kafka.columns import joined, read_columns
from pipelines.kafka.connection import Connection, our_errors
from pipelines.kafka.damage import damaged
from pipelines.kafka.presence import Presence
from pipelines.kafka.topics import AWAIT_S, Place, Topics, beginnings
from pipelines.source import Loss, Offsets

POLL_MS = 200
"""How long an empty `poll` may take: the loop above has other things to look after."""
FETCH_BYTES = 4 * 1024 * 1024
"""Per partition: 10,000 lines of text, the best for parsing; a quarter of it costs 30 % more."""
FETCH_MAX_BYTES = 16 * 1024 * 1024
_AGAIN_MS = 5_000
NO_RESET = {"auto_offset_reset": "none"}  # lost offsets are to be told, not skipped


@dataclass(slots=True)
class _Partition:
    """One assigned partition: what it holds and where the next batch joins."""

    kind: Kind
    next_offset: int
    heard_s: float  # when it last gave records


class KafkaSource:
    """Reads topics for as long as it is polled; see `pipelines.source.Source`.

    A partition found later than at the first `poll` is read from its beginning: what was written
    before it was found would be lost otherwise. Records of aborted transactions are left out.

    Args:
        connection: brokers and credentials.
        topics: what to read.
        start: where partitions begin when `seek` was given no offset at all: "latest",
            "earliest" or a time.
        group: consumer group whose committed offsets `committed` keeps up, if any.
        discover_s: seconds between two looks for new topics and partitions.
        max_records: records taken from the client at a time.
        timeout_s: seconds to wait for brokers at the start.
        monotonic_s: seconds of a clock that never goes back.

    Raises:
        SourceError: no broker can be reached, or a named topic does not exist.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        *,
        start: str | datetime = "latest",
        group: str | None = None,
        discover_s: float = 30.0,
        max_records: int = 20_000,
        timeout_s: float = 30.0,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._topics = topics
        self._start = start
        self._group = group
        self._monotonic_s = monotonic_s
        self._discover_s = discover_s
        self._max_records = max_records  # of a poll
        self._servers = list(connection.bootstrap_servers)
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._offsets: dict[tuple[str, int], int] = {}
        self._ready: deque[Batch] = deque()
        self._problems: list[Loss] = []
        self._discovered_s: float | None = None
        self._awaited: list[Place] = []
        self._presence = Presence(monotonic_s)
        self._closed = False
        with our_errors(self._servers):
            self._consumer = KafkaConsumer(
                group_id=group,
                enable_auto_commit=False,
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                max_partition_fetch_bytes=FETCH_BYTES,
                fetch_max_bytes=FETCH_MAX_BYTES,
                bootstrap_timeout_ms=round(timeout_s * 1000),
                reconnect_backoff_max_ms=5_000,
                **connection.options() | NO_RESET,
            )
        self._in_columns = read_columns(self._consumer, max_records)

    @property
    def done(self) -> bool:
        """Only once closed: a topic has no end."""
        return self._closed

    @property
    def problems(self) -> Sequence[Loss]:
        """Records lost to retention and records that could not be read; grows only."""
        return self._problems

    @property
    def partitions(self) -> list[tuple[str, int]]:
        """What is read at present, and what will be once others have made it."""
        return [*((one.topic, one.partition) for one in self._partitions), *self._awaited]

    def seek(self, offsets: Offsets) -> None:
        """Go on at these offsets. With none at all, every partition begins at ``start``."""
        self._offsets = dict(offsets)
        self._ready.clear()
        self._partitions.clear()
        self._discovered_s = None

    def poll(self) -> Batch | None:
        """The next values of one partition; None when there are none at present.

        Raises:
            SourceError: the brokers refuse what is asked for. A broker that is away is waited for.
        """
        if self._closed:
            return None
        if not self._ready:
            with our_errors(self._servers):
                self._discover()
                self._fetch()
                if not self._ready:
                    now = self._monotonic_s()
                    silences = {one: now - s.heard_s for one, s in self._partitions.items()}
                    self._presence.ask(self._consumer, silences)
        return self._ready.popleft() if self._ready else None

    def advance(self, topic: str, time: datetime) -> None:
        """Nothing: brokers serve all partitions side by side."""

    def caught_up(self, topic: str, partition: int) -> bool:
        """Whether everything a partition holds has been read, as its broker said of late."""
        one = TopicPartition(topic, partition)
        ready = ((batch.topic, batch.partition) for batch in self._ready)
        if one not in self._partitions or (topic, partition) in ready:
            return False
        return self._left(one) == 0 and self._presence.is_sure(one)

    def quiet_s(self, topic: str, partition: int) -> float:
        """Seconds since a partition last gave records; since it was found, if it never did."""
        state = self._partitions.get(TopicPartition(topic, partition))
        return 0.0 if state is None else self._monotonic_s() - state.heard_s

    def lags(self) -> dict[tuple[str, int], int]:
        """Records left to read by partition, of those whose broker has told their end."""
        left = {(one.topic, one.partition): self._left(one) for one in self._partitions}
        return {one: n for one, n in left.items() if n is not None}

    def lag(self) -> int | None:
        """Records left to read; None before any broker has told."""
        lags = self.lags()
        return sum(lags.values()) + sum(len(b.values) for b in self._ready) if lags else None

    def committed(self, offsets: Offsets) -> None:
        """Let lag tools see what the store holds: a hint, and nobody waits for it."""
        if self._group is None or self._closed:
            return
        known = {
            TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)
            for (topic, partition), offset in offsets.items()
            if TopicPartition(topic, partition) in self._partitions
        }
        if known:
            self._consumer.commit_async(known)

    def close(self) -> None:
        """Let go of all connections; may be called twice."""
        if not self._closed:
            self._closed = True
            self._ready.clear()
            self._consumer.close(autocommit=False, timeout_ms=2_000)

    def _discover(self) -> None:
        """Assign partitions that are new, now and then."""
        now = self._monotonic_s()
        pause_s = min(self._discover_s, AWAIT_S) if self._awaited else self._discover_s
        if self._discovered_s is not None and now - self._discovered_s < pause_s:
            return
        first = self._discovered_s is None
        self._discovered_s = now
        try:
            kinds = self._topics.partitions(self._consumer)
            self._awaited = self._topics.awaited(self._consumer, kinds)
            new = [one for one in kinds if one not in self._partitions]
            start = self._start if first and not self._offsets else "earliest"
            places = beginnings(self._consumer, new, self._offsets, start)
        except errors.RetriableError:
            if first:
                raise
            return  # brokers are away: looked for again in a while
        if not new:
            return
        for one in new:
            self._partitions[one] = _Partition(kinds[one], places[one], now)
        self._consumer.assign(list(self._partitions))
        for one, state in self._partitions.items():
            self._consumer.seek(one, state.next_offset)

    def _left(self, one: TopicPartition) -> int | None:
        """Offsets between what was given out and the end of a partition, where that is known."""
        high = self._consumer.highwater(one)
        if high is None:
            return None
        # the client's own position is beyond markers of transactions, which are no records
        reached = self._consumer.position(one, timeout_ms=0) or 0
        return max(0, high - max(reached, self._partitions[one].next_offset))

    def _fetch(self) -> None:
        """Take what the client holds; a batch for each partition that gave something."""
        if not self._partitions:
            time.sleep(POLL_MS / 1000)
            return
        try:
            many = 1 if self._in_columns else self._max_records
            answer = self._consumer.poll(timeout_ms=POLL_MS, max_records=many)
        except errors.OffsetOutOfRangeError as error:
            for one, offset in dict(error.args[0]).items():
                self._out_of_range(one, offset)
            return
        except errors.LogTruncationError as error:
            for one, place in error.divergent_offsets.items():
                self._truncated(one, None if place is None else place.offset)
            return
        except (errors.AuthorizationError, errors.SaslAuthenticationFailedError):
            raise
        except errors.RetriableError:
            return  # the client has asked for new metadata and tries again by itself
        except Exception as error:  # a codec may raise anything about damaged bytes
            self._skip_damage(error)
            return
        now = self._monotonic_s()
        for one, records in answer.items():
            self._presence.heard(one)
            self._partitions[one].heard_s = now
            if self._in_columns:
                self._give(one, *joined(records, self._partitions[one].next_offset))
            else:
                values = [record.value for record in records]
                self._give(one, values, [record.offset for record in records])

    def _give(self, one: TopicPartition, values: list[bytes | None], offsets: list[int]) -> None:
        state = self._partitions[one]
        batch = Batch(
            topic=one.topic,
            partition=one.partition,
            first_offset=state.next_offset,
            next_offset=offsets[-1] + 1,
            values=values,
            kind=state.kind,
            offsets=gaps(offsets, state.next_offset),
        )
        state.next_offset = batch.next_offset
        self._ready.append(batch)

    def _go_on(self, one: TopicPartition, offset: int, reason: str) -> None:
        """Leave out what lies before ``offset``, and say so."""
        state = self._partitions[one]
        if offset != state.next_offset:
            lost = Loss(one.topic, one.partition, state.next_offset, offset, reason)
            self._problems.append(lost)
        state.next_offset = offset
        self._consumer.seek(one, offset)

    def _out_of_range(self, one: TopicPartition, offset: int) -> None:
        """Go on at the oldest record kept; or, if the topic is a new one, at its beginning."""
        oldest = self._consumer.beginning_offsets([one], timeout_ms=_AGAIN_MS)[one]
        kept = "the topic's retention had deleted them"
        self._go_on(one, oldest, kept if offset < oldest else "the topic was made anew")

    def _truncated(self, one: TopicPartition, offset: int | None) -> None:
        """Go on where the new leader's log still agrees with what was read."""
        if offset is None:
            offset = self._consumer.beginning_offsets([one], timeout_ms=_AGAIN_MS)[one]
        self._go_on(one, offset, "the brokers lost records in an unclean election; reading again")

    def _skip_damage(self, error: Exception) -> None:
        """Find the partition whose bytes cannot be read, and leave out what cannot be."""
        for one, state in self._partitions.items():
            found = damaged(self._consumer, one, state.next_offset)
            if found is not None:
                offset, error = found
                self._go_on(one, offset, f"damaged ({type(error).__name__}: {error})")
