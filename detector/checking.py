"""Whether a worker with these settings could do its work: ``pushwake run --check``.

Nothing is written: no table is made, no lease taken, no record sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from detector import clock
from detector.errors import InputError, PushwakeError
from detector.live.kafka import connection_of, topics_of
from detector.settings import Settings
from detector.store.inspection import inspect
from detector.worker import Worker
from pipelines.kafka import survey
from pipelines.source import SourceError


class Finding(NamedTuple):
    """What one check found; ``error`` is None when all is well."""

    name: str
    text: str
    error: PushwakeError | None = None


Check = Callable[[Settings], str]


def check(settings: Settings) -> Iterator[Finding]:
    """Try what a worker needs, one thing after the other; what fails does not stop the rest."""
    for name, one in _CHECKS.items():
        try:
            yield Finding(name, one(settings))
        except PushwakeError as error:
            yield Finding(name, str(error), error)
        except SourceError as error:
            told = InputError(error.what, where=error.where, advice=error.advice)
            yield Finding(name, str(told), told)


def _worker(settings: Settings) -> str:
    """Settings fit together, formats compile, faults of one's own can be read."""
    Worker(settings)
    return f"valid, with {len(settings.formats)} log formats of your own"


def _topics(settings: Settings) -> str:
    """Brokers answer, and topics may be read."""
    kafka = settings.kafka
    found = survey(
        connection_of(kafka),
        topics_of(settings),
        kafka.dead_letter_topic,
        timeout_s=kafka.timeout_s,
    )
    if not found:
        raise InputError(
            "no topic matches",
            where="kafka.topics",
            advice="Create a topic or correct the pattern; a worker would wait for one",
        )
    return ", ".join(f"{topic} ({n} partitions)" for topic, n in sorted(found.items()))


def _store(settings: Settings) -> str:
    """The database answers, and is ours or empty."""
    return inspect(settings.store, clock.now())


_CHECKS: Mapping[str, Check] = {"settings": _worker, "topics": _topics, "store": _store}
