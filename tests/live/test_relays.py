"""What the worker that judges makes of rollup workers that fall silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import pytest

from detector.digest import Digest
from detector.live.relays import GONE_S, Relays
from detector.live.rolling import HEARTBEAT_S, Rolling, Share
from detector.live.watermarks import Partition, Reading
from detector.settings import Settings
from pipelines.batch import Batch

PLACE = ("access.rollups", 0)
HERE = Reading(caught_up=True, quiet_s=0.0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def relays(clock: Clock) -> Relays:
    return Relays(".rollups", clock)


def batch() -> Batch:
    return Batch(*PLACE, 0, 1, [b""], "rollups")


def head(records: int, *, at_end: bool) -> Digest:
    return Digest(
        topic="access",
        partition=0,
        first_offset=10,
        next_offset=10 + records,
        at_end=at_end,
        bucket_s=10,
    )


def test_a_partition_is_read_to_its_end_when_its_reader_says_so(relays: Relays) -> None:
    assert not relays.reading(PLACE, HERE).caught_up
    assert relays.hear(batch(), [head(5, at_end=False)])
    assert not relays.reading(PLACE, HERE).caught_up
    assert relays.hear(batch(), [head(5, at_end=True)])
    assert relays.reading(PLACE, HERE).caught_up


def test_it_is_not_while_its_digests_are_not_all_read(relays: Relays) -> None:
    relays.hear(batch(), [head(5, at_end=True)])
    assert not relays.reading(PLACE, HERE._replace(caught_up=False)).caught_up


def test_a_reader_that_falls_silent_may_leave_something_unread(relays: Relays) -> None:
    relays.hear(batch(), [head(5, at_end=True)])
    assert relays.reading(PLACE, HERE._replace(quiet_s=GONE_S - 1)).caught_up
    assert not relays.reading(PLACE, HERE._replace(quiet_s=GONE_S)).caught_up


def test_a_word_without_records_is_no_news_and_leaves_the_partition_quiet(
    relays: Relays, clock: Clock
) -> None:
    relays.hear(batch(), [head(5, at_end=True)])
    clock.now_s += 30
    assert not relays.hear(batch(), [head(0, at_end=True)])
    assert relays.reading(PLACE, HERE) == Reading(caught_up=True, quiet_s=30)


def test_other_topics_are_as_their_own_reading_says(relays: Relays) -> None:
    here = Reading(caught_up=True, quiet_s=1.0)
    assert relays.reading(("istiod", 0), here) == here
    assert Relays("").reading(PLACE, here) == here
    assert relays.hear(Batch("istiod", 0, 0, 1, [b""], "control-plane"), [])


class Topic:
    """A relay of one partition."""

    waiting = 0

    def __init__(self, values: list[bytes], *, at_end: bool) -> None:
        self.values = values
        self.is_read = at_end
        self.sent: list[Digest] = []
        self.is_ours = True

    def poll(self) -> None:
        """Nothing new."""

    def held(self) -> list[Batch]:
        return [Batch("access", 0, 0, len(self.values), self.values, "access")]

    def at_end(self, topic: str, partition: int) -> bool:
        return self.is_read

    def lags(self) -> Mapping[Partition, int]:
        return {("access", 0): 0}

    def forward(self, messages: Iterable[tuple[Partition, bytes]]) -> bool:
        told = [msgspec.msgpack.decode(value, type=Digest) for _, value in messages]
        self.sent += told if self.is_ours else []
        self.values = self.values if not self.is_ours else []
        return self.is_ours


@pytest.fixture
def ticking(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("detector.clock.monotonic_s", clock)
    return clock


def turns(topic: Topic, clock: Clock, seconds: int) -> Share:
    share = Share()
    rolling = Rolling(topic, Settings(), share)
    for _ in range(seconds):
        clock.now_s += 1
        rolling.turn()
    return share


def test_of_a_partition_at_its_end_it_is_said_every_few_seconds(ticking: Clock) -> None:
    topic = Topic([], at_end=True)
    turns(topic, ticking, round(10 * HEARTBEAT_S))
    assert len(topic.sent) == 10
    assert all(one.at_end and one.next_offset == one.first_offset for one in topic.sent)


def test_of_a_partition_that_is_not_it_is_not(ticking: Clock) -> None:
    topic = Topic([], at_end=False)
    turns(topic, ticking, 30)
    assert topic.sent == []


def test_what_the_group_refuses_is_counted_and_nothing_else(ticking: Clock) -> None:
    topic = Topic([b"no line"], at_end=True)
    topic.is_ours = False
    share = turns(topic, ticking, 3)
    assert share.sent == {"refused": 3}
    topic.is_ours = True
    assert turns(topic, ticking, 1).sent["records"] == 1
