"""What a cluster holds of what is to be read, and whether it may be: nothing is changed by it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from kafka import KafkaConsumer

from pipelines.kafka.connection import Connection, our_errors
from pipelines.kafka.topics import Topics
from pipelines.source import SourceError

_READ_MS = 1_000


def survey(
    connection: Connection, topics: Topics, dead_letter_topic: str, *, timeout_s: float
) -> dict[str, int]:
    """The topics that would be read, and their number of partitions.

    Args:
        connection: brokers and credentials.
        topics: what is to be read.
        dead_letter_topic: has to exist, unless empty.
        timeout_s: seconds to wait for a broker.

    Raises:
        SourceError: no broker can be reached, a topic does not exist or may not be read.
    """
    with our_errors(connection.bootstrap_servers):
        consumer = KafkaConsumer(
            group_id=None,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=round(timeout_s * 1000),
            **connection.options(),
        )
        with closing(consumer):
            found = topics.partitions(consumer)
            if dead_letter_topic and dead_letter_topic not in consumer.topics():
                raise SourceError(
                    "this topic does not exist",
                    where=f"kafka.dead_letter_topic {dead_letter_topic}",
                    advice="Create it, or leave the setting empty",
                )
            consumer.assign(list(found))
            if found:
                consumer.seek_to_end(*found)
                consumer.poll(timeout_ms=_READ_MS, max_records=1)
    return dict(Counter(one.topic for one in found))
