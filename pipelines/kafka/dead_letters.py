"""Records that could not be understood, copied to a topic of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kafka import KafkaProducer, errors
from kafka.producer.future import FutureRecordMetadata

from pipelines.kafka.connection import Connection, our_errors
from pipelines.source import SourceError

LIMIT_BYTES = 900_000
"""Longer values are cut to this: brokers take a MiB a batch unless told otherwise."""
SHORT_BYTES = 10_000
"""What is kept of a value that a broker still finds too large."""
WAITING = 5_000
"""Letters under way at once, so that memory stays bounded."""


class DeadLetter(NamedTuple):
    """A record that was not understood, why, and where it came from."""

    value: bytes | None
    reason: str
    topic: str
    partition: int
    offset: int


class DeadLetters:
    """Writes to the dead-letter topic.

    Send, `flush`, then commit the store: after a crash in between a letter is written twice, but
    none is lost. Each bears its origin in headers and as its key (``topic/partition/offset``), so
    a reader, or a compacted topic, can tell.

    Raises:
        SourceError: no broker can be reached.
    """

    def __init__(self, connection: Connection, topic: str, *, timeout_s: float = 30.0) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._servers = connection.bootstrap_servers
        self._under_way: list[tuple[DeadLetter, FutureRecordMetadata]] = []
        with our_errors(self._servers):
            self._producer = KafkaProducer(
                acks="all",
                enable_idempotence=False,  # with it, one letter that is too large ends the client
                max_in_flight_requests_per_connection=1,
                compression_type="lz4",
                linger_ms=50,
                max_block_ms=round(timeout_s * 1000),
                bootstrap_timeout_ms=round(timeout_s * 1000),
                **connection.options(),
            )

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Hand letters to the client, which sends them in the background.

        Raises:
            SourceError: the brokers do not take them.
        """
        with our_errors(self._servers):
            for letter in letters:
                self._under_way.append((letter, self._put(letter, LIMIT_BYTES)))
                if len(self._under_way) >= WAITING:
                    self.flush()

    def flush(self) -> None:
        """Wait until the brokers have all letters.

        Raises:
            SourceError: they do not take them.
        """
        under_way, self._under_way = self._under_way, []
        if not under_way:
            return
        with our_errors(self._servers):
            self._producer.flush(timeout=self._timeout_s)
            again = [self._put(letter, SHORT_BYTES) for letter, told in under_way if _large(told)]
            if again:
                self._producer.flush(timeout=self._timeout_s)
            for told in [*(told for _, told in under_way if not _large(told)), *again]:
                if told.exception is not None:
                    raise told.exception

    def close(self) -> None:
        """Send what is left and let go of the connections; may be called twice."""
        self._producer.close(timeout=self._timeout_s)

    def _put(self, letter: DeadLetter, limit: int) -> FutureRecordMetadata:
        value = letter.value or b""  # a tombstone would delete its letter in a compacted topic
        origin = f"{letter.topic}/{letter.partition}/{letter.offset}"
        headers = [
            ("pushwake.reason", letter.reason.encode()),
            ("pushwake.topic", letter.topic.encode()),
            ("pushwake.partition", str(letter.partition).encode()),
            ("pushwake.offset", str(letter.offset).encode()),
        ]
        if len(value) > limit:
            headers.append(("pushwake.cut-from-bytes", str(len(value)).encode()))
        return self._producer.send(
            self._topic, key=origin.encode(), value=value[:limit], headers=headers
        )


def _large(told: FutureRecordMetadata) -> bool:
    """Whether a broker refused a letter for its size."""
    if not told.is_done:
        raise SourceError(
            "the brokers did not confirm the dead letters in time",
            where="kafka.dead_letter_topic",
            advice="Look at the brokers; nothing of this step was committed",
        )
    return told.failed() and isinstance(
        told.exception, errors.MessageSizeTooLargeError | errors.RecordListTooLargeError
    )
