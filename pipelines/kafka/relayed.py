"""Which topics are relayed, and where what becomes of them is written."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from contextlib import suppress

from kafka import errors
from kafka.admin import KafkaAdminClient, NewTopic

from pipelines.kafka.topics import Topics
from pipelines.source import SourceError

log = logging.getLogger("pushwake.kafka")


def relayed(topics: Topics, existing: Collection[str]) -> tuple[list[str], str]:
    """The topics to subscribe to, and a pattern for them when more may appear, else "".

    Raises:
        SourceError: a named topic does not exist, or none is to be relayed at all.
    """
    names = [name for name in topics.kinds if topics.is_relayed(name)]
    patterns = [name for name in names if name.startswith("^")]
    exact = [name for name in names if not name.startswith("^")]
    missing = [name for name in exact if name not in existing]
    if missing or not names:
        raise SourceError(
            "this topic does not exist" if missing else "no topic of access logs is named",
            where=", ".join(missing) or "kafka.topics",
            advice="Create it or correct kafka.topics; a pattern (^NAME$) waits for it instead",
        )
    if not patterns:
        return exact, ""
    either = "|".join(f"(?:{one})" for one in (*patterns, *(f"^{re.escape(n)}$" for n in exact)))
    return exact, f"(?!.*{re.escape(topics.rollups)}$)(?=.*?(?:{either}))"


def provide(admin: KafkaAdminClient, topic: str, target: str, partitions: int) -> None:
    """See that ``target`` exists, with as many partitions as ``topic`` has.

    Raises:
        SourceError: it has more or fewer.
    """
    if target not in admin.list_topics():
        with suppress(errors.TopicAlreadyExistsError):
            admin.create_topics([NewTopic(target, partitions, -1)])
            log.info("made the topic %s with %d partitions", target, partitions)
        return
    (told,) = admin.describe_topics([target])
    has = len(told["partitions"])
    if has != partitions:
        raise SourceError(
            f"it has {has} partitions, and {topic} has {partitions}",
            where=target,
            advice="Give it as many (kafka-topics.sh --alter); with too many, the worker that "
            "judges would wait for the empty ones: delete it, it is made anew",
        )
