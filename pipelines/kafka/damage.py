"""Finding out which records cannot be read."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition, errors

_WAIT_MS = 5_000


def damaged(
    consumer: KafkaConsumer, partition: TopicPartition, offset: int
) -> tuple[int, Exception] | None:
    """Where reading can go on when the bytes at ``offset`` are damaged, and what is wrong there.

    A broker gives the same batch for every offset within it, so a damaged batch of n records is
    left behind in n steps, each a fetch. The consumer then stands behind the damage.

    Returns:
        None when the bytes are sound.
    """
    others = [one for one in consumer.assignment() if one != partition]
    consumer.pause(*others)
    start, last = offset, None
    while (error := _error_at(consumer, partition, offset)) is not None:
        offset, last = offset + 1, error
    consumer.seek(partition, offset)
    consumer.resume(*others)
    return None if last is None or offset == start else (offset, last)


def _error_at(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> Exception | None:
    """What the client says of the record at an offset; None when it can be read, or is none."""
    consumer.seek(partition, offset)
    try:
        consumer.poll(timeout_ms=_WAIT_MS, max_records=1)
    except errors.RetriableError:
        return None
    except Exception as error:  # a codec may raise anything about damaged bytes
        return error
    return None
