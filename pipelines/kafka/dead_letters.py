"""Records that could not be understood, copied to a topic of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kafka import KafkaProducer

from pipelines.kafka.connection import Connection, our_errors


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
    none is lost. Each bears its origin, so a reader can tell.

    Raises:
        SourceError: no broker can be reached.
    """

    def __init__(self, connection: Connection, topic: str, *, timeout_s: float = 30.0) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._servers = connection.bootstrap_servers
        with our_errors(self._servers):
            self._producer = KafkaProducer(
                acks="all", compression_type="lz4", linger_ms=50, **connection.options()
            )

    def send(self, letters: Iterable[DeadLetter]) -> None:
        """Hand letters to the client, which sends them in the background."""
        with our_errors(self._servers):
            for letter in letters:
                headers = [
                    ("pushwake.reason", letter.reason.encode()),
                    ("pushwake.topic", letter.topic.encode()),
                    ("pushwake.partition", str(letter.partition).encode()),
                    ("pushwake.offset", str(letter.offset).encode()),
                ]
                self._producer.send(self._topic, value=letter.value, headers=headers)

    def flush(self) -> None:
        """Wait until the brokers have all letters.

        Raises:
            SourceError: they do not take them.
        """
        with our_errors(self._servers):
            self._producer.flush(timeout=self._timeout_s)

    def close(self) -> None:
        """Send what is left and let go of the connections."""
        self._producer.close(timeout=self._timeout_s)
