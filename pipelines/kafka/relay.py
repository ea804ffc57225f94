"""Topics read by a group of workers, each record once, and what they make of it written once.

Offsets of a group and records of other topics are committed in one transaction of the brokers. A
worker that lost a partition to another one is refused (KIP-447), and begins anew where the group
is; readers see nothing of what was refused (``read_committed``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from operator import methodcaller
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition, errors
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata

from pipelines.batch import Batch
from pipelines.kafka.columns import read_columns
from pipelines.kafka.connection import Connection, our_errors
from pipelines.kafka.damage import damaged
from pipelines.kafka.held import Held
from pipelines.kafka.relayed import provide, relayed
from pipelines.kafka.source import FETCH_BYTES, FETCH_MAX_BYTES, NO_RESET, POLL_MS
from pipelines.kafka.topics import Topics, beginnings
from pipelines.source import Loss, SourceError

SESSION_MS = 15_000
"""A worker that says nothing for so long has lost its partitions to the others."""
TRANSACTION_MS = 10_000
"""What a killed worker had begun is undone after so long, if it is not started anew before. Its
partitions' new reader waits for it."""

_REFUSED = (
    errors.CommitFailedError,
    errors.FencedInstanceIdError,
    errors.IllegalGenerationError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
)

_member = methodcaller("group_metadata")

log = logging.getLogger("pushwake.kafka")


class Relay:
    """One worker of a group that reads topics for the worker that judges.

    Args:
        connection: brokers and credentials.
        topics: of which those are read that are relayed.
        start: where partitions begin that the group has never read.
        group: the name that all workers share.
        instance: a name that this worker keeps over restarts, and that no other one has.
        max_records: records taken from the client at a time.
        timeout_s: seconds to wait for brokers.

    Raises:
        SourceError: no broker can be reached, or there is nothing to read.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        *,
        start: str | datetime,
        group: str,
        instance: str,
        max_records: int,
        timeout_s: float,
    ) -> None:
        self._topics = topics
        self._start = start
        self._max_records = max_records
        self._timeout_s = timeout_s
        self._servers = list(connection.bootstrap_servers)
        self._held: dict[TopicPartition, Held] = {}
        self._member: Any = None  # of the group, when what is held was read
        self.losses: list[Loss] = []
        timeout_ms = round(timeout_s * 1000)
        options = connection.options() | {"bootstrap_timeout_ms": timeout_ms}
        with our_errors(self._servers):
            self._admin = KafkaAdminClient(**options)
            self._consumer = KafkaConsumer(
                group_id=group,
                group_instance_id=instance,
                enable_auto_commit=False,
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=SESSION_MS,
                max_partition_fetch_bytes=FETCH_BYTES,
                fetch_max_bytes=FETCH_MAX_BYTES,
                metadata_max_age_ms=30_000,
                **options | NO_RESET,
            )
            self._in_columns = read_columns(self._consumer, max_records)
            self._producer = KafkaProducer(
                transactional_id=f"{group}-{instance}",
                transaction_timeout_ms=TRANSACTION_MS,
                max_block_ms=timeout_ms,
                **options,
            )
            self._producer.init_transactions()
            self._subscribe()

    @property
    def partitions(self) -> list[tuple[str, int]]:
        """What this worker reads at present."""
        return [(one.topic, one.partition) for one in self._held]

    def lags(self) -> dict[tuple[str, int], int]:
        """Records left to read by partition, of those whose broker has told their end."""
        left = {(one.topic, one.partition): self._left(one) for one in self._held}
        return {one: n for one, n in left.items() if n is not None}

    def at_end(self, topic: str, partition: int) -> bool:
        """Whether everything that a partition holds has been read."""
        return self._left(TopicPartition(topic, partition)) == 0

    @property
    def waiting(self) -> int:
        """Records that were read and not forwarded."""
        return sum(len(held.values) for held in self._held.values())

    def poll(self) -> None:
        """Read what there is, and wait a little when there is nothing.

        Raises:
            SourceError: the brokers refuse what is asked for. A broker that is away is waited for.
        """
        with our_errors(self._servers):
            if self._is_moved():
                self._begin_anew()
            try:
                many = 1 if self._in_columns else self._max_records
                answer = self._consumer.poll(timeout_ms=POLL_MS, max_records=many)
            except errors.NoOffsetForPartitionError:
                return  # a new partition: the next turn finds its place
            except errors.OffsetOutOfRangeError as error:
                self._out_of_range(dict(error.args[0]))
                return
            except (errors.AuthorizationError, errors.SaslAuthenticationFailedError):
                raise
            except errors.RetriableError:
                return
            except Exception as error:  # a codec may raise anything about damaged bytes
                if not self._skip_damage():
                    raise SourceError(
                        f"{type(error).__name__}: {error}",
                        where=", ".join(self._servers),
                        advice="Start it again; if it stays so, report it with this line",
                    ) from error
                return
            if not self._is_moved():  # what was read meanwhile may be somebody else's
                for one, records in answer.items():
                    self._held[one].add(records, in_columns=self._in_columns)

    def held(self) -> list[Batch]:
        """Everything that waits, a batch a partition; empty where nothing was read."""
        return [
            held.batch(one, self._topics.holds(one.topic) or "auto")
            for one, held in self._held.items()
        ]

    def forward(self, messages: Iterable[tuple[tuple[str, int], bytes]]) -> bool:
        """Write what was made of `held`, each to the partition of the same number, and move on.

        Returns:
            False when the group had moved a partition to another worker: nothing was written, and
            what was held is read again by whose it is now.

        Raises:
            SourceError: the brokers do not take it. Nothing was written; begin anew.
        """
        producer = self._producer
        with our_errors(self._servers):
            producer.begin_transaction()
            try:
                sent = [
                    producer.send(topic + self._topics.rollups, value=value, partition=partition)
                    for (topic, partition), value in messages
                ]
                if places := self._places():
                    producer.send_offsets_to_transaction(places, self._member)
                producer.flush(timeout=self._timeout_s)
                for one in sent:
                    if one.exception is not None:
                        raise one.exception
                producer.commit_transaction()
            except _REFUSED as error:
                log.info("the group moved partitions, reading anew: %s", error)
                producer.abort_transaction()
                self._member = None
                return False
        for held in self._held.values():
            held.clear()
        return True

    def close(self) -> None:
        """Leave the group at once, so that the others go on; may be called twice."""
        self._consumer.close(autocommit=False, timeout_ms=2_000)
        self._producer.close(timeout=2)
        self._admin.close()

    def _places(self) -> dict[TopicPartition, OffsetAndMetadata]:
        return {
            one: OffsetAndMetadata(held.next_offset, "", -1)
            for one, held in self._held.items()
            if held.next_offset > held.first_offset
        }

    def _subscribe(self) -> None:
        wanted, pattern = relayed(self._topics, self._admin.list_topics())
        if pattern:
            self._consumer.subscribe(pattern=pattern)
        else:
            self._consumer.subscribe(wanted)

    def _is_moved(self) -> bool:
        """Whether the group has given us something else to read since what is held was read."""
        member = _member(self._consumer)
        known = self._member
        return (
            known is None
            or (member.generation_id, member.member_id) != (known.generation_id, known.member_id)
            or self._consumer.assignment() != self._held.keys()
        )

    def _begin_anew(self) -> None:
        """Forget what is held, and go to where the group is in what we are to read."""
        self._held.clear()
        member, mine = _member(self._consumer), sorted(self._consumer.assignment())
        wanted = [one for one in mine if self._topics.is_relayed(one.topic)]
        for topic in sorted({one.topic for one in wanted}):
            partitions = len(self._consumer.partitions_for_topic(topic) or ())
            provide(self._admin, topic, topic + self._topics.rollups, partitions)
        offsets: dict[tuple[str, int], int] = {}
        for one in wanted:
            committed = self._consumer.committed(one, timeout_ms=round(self._timeout_s * 1000))
            if committed is not None:
                offsets[one.topic, one.partition] = committed
        for one, place in beginnings(self._consumer, mine, offsets, self._start).items():
            with suppress(
                errors.IllegalStateError
            ):  # taken away this moment: seen at the next turn
                self._consumer.seek(one, place)
                self._held[one] = Held(place, place)
        self._member = member
        log.info("this worker reads %d partitions", len(self._held))

    def _left(self, one: TopicPartition) -> int | None:
        """Offsets up to the end of a partition; None when it is not known, or not ours any more."""
        if one not in self._held:
            return None
        try:
            high = self._consumer.highwater(one)
            reached = self._consumer.position(one, timeout_ms=0) or 0
        except errors.IllegalStateError:  # taken away just now: the next turn sees it
            return None
        return None if high is None else max(0, high - max(reached, self._held[one].next_offset))

    def _out_of_range(self, places: dict[TopicPartition, int]) -> None:
        oldest = self._consumer.beginning_offsets(list(places))
        for one in places:
            self._go_on(one, oldest[one], "the topic's retention had deleted them")

    def _skip_damage(self) -> bool:
        for one, held in self._held.items():
            found = damaged(self._consumer, one, held.next_offset)
            if found is not None:
                self._go_on(one, found[0], f"damaged ({type(found[1]).__name__}: {found[1]})")
                return True
        return False

    def _go_on(self, one: TopicPartition, offset: int, reason: str) -> None:
        held = self._held[one]
        lost = Loss(one.topic, one.partition, held.next_offset, offset, reason)
        self.losses.append(lost)
        log.warning(str(lost))
        held.next_offset = offset
        self._consumer.seek(one, offset)
