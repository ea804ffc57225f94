"""A rollup worker: reads its share of the access logs, sends on what they come to."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from detector import clock
from detector.configure import formats_of
from detector.digest import digests
from detector.exemplars import ExemplarLog
from detector.live.letters import Letters, letters_of
from detector.live.watermarks import Partition
from detector.settings import Settings
from pipelines.batch import Batch
from pipelines.parse import Parser

HEARTBEAT_S = 3.0
"""Seconds after which a partition that gives nothing is told to be at its end."""

log = logging.getLogger("pushwake.rollup")


class Forwarder(Protocol):
    """What is needed of `pipelines.kafka.Relay`."""

    @property
    def waiting(self) -> int:
        """Records that were read and not forwarded."""
        ...

    def poll(self) -> None:
        """Read what there is."""
        ...

    def held(self) -> list[Batch]:
        """Everything that waits, a batch a partition."""
        ...

    def at_end(self, topic: str, partition: int) -> bool:
        """Whether everything that a partition holds has been read."""
        ...

    def lags(self) -> Mapping[Partition, int]:
        """Records left to read by partition."""
        ...

    def forward(self, messages: Iterable[tuple[Partition, bytes]]) -> bool:
        """Write what was made of `held`; False when it was somebody else's."""
        ...


@dataclass(slots=True)
class Share:
    """How a rollup worker stands, for its probes and metrics."""

    turned_s: float | None = None
    lags: Mapping[Partition, int] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    """Of what so many were sent: records, digests, bytes; and how often the group refused."""


class Rolling:
    """Turns until told to stop. Nothing is caught: who supervises it starts it again.

    The pieces of a line that a container runtime cut in two are joined while one worker reads
    both; when the second goes to another worker, or the worker ends, the line counts as a reject.

    Args:
        relay: where records come from and digests go.
        settings: the whole tree.
        share: kept up to date.
        letters: where records go that were not understood, if anywhere.
    """

    def __init__(
        self, relay: Forwarder, settings: Settings, share: Share, letters: Letters | None = None
    ) -> None:
        self._relay = relay
        self._settings = settings
        self._formats = formats_of(settings)
        self._letters = letters
        self._share = share
        self._parser = Parser(self._formats)
        self._told_s: dict[Partition, float] = {}
        self._sent_s = clock.monotonic_s()

    def run(self, stop: Event) -> None:
        """Turn until ``stop`` is set, then send on what was read.

        Raises:
            SourceError: the brokers do not answer, or refuse.
        """
        while not stop.is_set():
            self.turn()
        self._send()

    def turn(self) -> None:
        """Read, and send on what was read when it is time or enough."""
        self._relay.poll()
        self._share.turned_s = clock.monotonic_s()
        self._share.lags = self._relay.lags()
        waited_s = clock.monotonic_s() - self._sent_s
        if waited_s >= self._settings.rollup.linger_s or self._is_much():
            self._send()

    def _is_much(self) -> bool:
        return self._relay.waiting >= self._settings.kafka.max_records

    def _send(self) -> None:
        self._sent_s = now_s = clock.monotonic_s()
        due = [one for one in self._relay.held() if one.values or self._is_due(one, now_s)]
        messages = [(place, value) for one in due for place, value in self._digest(one)]
        if not messages:
            return
        if self._letters is not None:
            self._letters.flush()
        if not self._relay.forward(messages):
            self._parser = Parser(self._formats)  # pieces of lines that are now another's
            self._share.sent["refused"] += 1
            return
        self._told_s |= {(one.topic, one.partition): now_s for one in due}
        self._share.sent["records"] += sum(len(one.values) for one in due)
        self._share.sent["digests"] += len(messages)
        self._share.sent["bytes"] += sum(len(value) for _, value in messages)

    def _is_due(self, batch: Batch, now_s: float) -> bool:
        """Whether to say of a silent partition that it is at its end."""
        told_s = self._told_s.get((batch.topic, batch.partition))
        is_long_ago = told_s is None or now_s - told_s >= HEARTBEAT_S
        return is_long_ago and self._relay.at_end(batch.topic, batch.partition)

    def _digest(self, batch: Batch) -> Iterator[tuple[Partition, bytes]]:
        place = (batch.topic, batch.partition)
        parsed = self._parser.parse(batch)
        exemplars = ExemplarLog(self._settings.redaction, self._formats)
        exemplars.add(batch, parsed.access)
        if self._letters is not None and not parsed.rejects.is_empty():
            self._letters.send(letters_of(batch, parsed.rejects))
        for value in digests(
            batch,
            parsed,
            exemplars,
            bucket_s=self._settings.detection.bucket_s,
            at_end=self._relay.at_end(*place),
        ):
            yield place, value
