"""500 incidents open within a minute, and Slack takes one message in ten seconds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec
import pytest
import sqlalchemy as sa

from detector.notify import Meter
from detector.settings import ChannelSettings, StoreSettings
from detector.store import Step, Store
from detector.store.deliveries import deliveries, messages
from detector.store.shared import SharedStore
from detector.timeline import notice
from tests.notify.conftest import Watch, World, incident
from tests.notify.test_storm import told_of
from tests.parts.slack import Call, FakeSlack, Fault, fake_slack
from tests.web.samples import NOON

INCIDENTS = 500
OPENINGS = [NOON + timedelta(seconds=60 * n / INCIDENTS) for n in range(INCIDENTS)]
EVERY_S = 10
REGROUP_S = 60


@dataclass
class Busy:
    """A Slack that is busy at first, and then takes one message in ten seconds."""

    slack: FakeSlack
    watch: Watch
    free: datetime = NOON + timedelta(seconds=5)
    asked: list[datetime] = field(default_factory=list)
    refused: list[tuple[datetime, int]] = field(default_factory=list)
    opened: list[datetime] = field(default_factory=list)  # when each incident was committed
    delays_s: list[float] = field(default_factory=list)  # of what was taken, in roots

    def __call__(self, call: Call) -> Fault | None:
        now = self.watch.at
        self.asked.append(now)
        if now < self.free:
            wait_s = math.ceil((self.free - now).total_seconds())
            self.refused.append((now, wait_s))
            return Fault(429, "rate_limited", retry_after=wait_s)
        self.free = now + timedelta(seconds=EVERY_S)
        if not call.told.get("thread_ts"):
            known = sum(told_of(one["text"]) for one in self.slack.roots)
            self.delays_s.append((now - self.opened[known]).total_seconds())
        return None


@dataclass
class Rush:
    """What came of it."""

    kind: str
    url: str
    slack: FakeSlack
    busy: Busy
    meter: Meter
    longest_s: float = 0.0  # that the gauge of the oldest showed


@pytest.fixture(scope="module", params=["hook", "bot"])
def rush(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rush]:
    with fake_slack() as slack:
        world = World(tmp_path_factory.mktemp("rush"), slack)
        watch = world.now = Watch(NOON)
        slack.fault = busy = Busy(slack, watch)
        world.notify = msgspec.structs.replace(world.notify, regroup_s=REGROUP_S)
        channel: ChannelSettings = getattr(world, request.param)
        with (
            Store.open(world.url, now=watch) as store,
            world.couriers(ops=channel) as (couriers, meter),
        ):
            found = Rush(request.param, world.url, slack, busy, meter)
            ops = couriers["ops"]
            while len(busy.opened) < INCIDENTS or ops.standing.waiting:
                assert watch.at < NOON + timedelta(minutes=5)
                due = sum(at <= watch.at for at in OPENINGS)
                some = [incident(n) for n in range(len(busy.opened), due)]
                if some:
                    store.commit(Step(incidents=some, notices=[notice(i, "opened") for i in some]))
                    busy.opened += [watch.at] * len(some)
                watch.wait(max(ops.turn(), 1.0))
                found.longest_s = max(found.longest_s, ops.standing.oldest_s)
        yield found


class Told(NamedTuple):
    """What the store says of one incident."""

    message: str
    whole: bool  # nothing is left to tell
    at: datetime


def in_store(rush: Rush) -> list[Told]:
    """All incidents, in the order of their openings."""
    shared, table = SharedStore(StoreSettings(url=rush.url)), deliveries
    whole = sa.and_(table.c.since.is_(None), table.c.told_revision == table.c.revision)
    with shared.reading() as connection:
        query = sa.select(table.c.message, whole, table.c.told_at).order_by(table.c.outbox_id)
        rows = connection.execute(query).all()
    shared.close()
    return [Told(*row) for row in rows]


def arrivals(rush: Rush) -> list[str]:
    """The messages in the order in which they arrived."""
    shared = SharedStore(StoreSettings(url=rush.url))
    with shared.reading() as connection:
        found = list(connection.scalars(sa.select(messages.c.key).order_by(messages.c.begun_at)))
    shared.close()
    return found


def metric(rush: Rush, name: str) -> float:
    value = rush.meter.registry.get_sample_value(
        f"pushwake_notification_{name}", {"channel": "ops"}
    )
    assert value is not None
    return value


def test_nothing_is_lost(rush: Rush) -> None:
    told = in_store(rush)

    assert len(told) == INCIDENTS
    assert all(one.message and one.whole for one in told)
    assert sum(told_of(one["text"]) for one in rush.slack.roots) == INCIDENTS
    assert (metric(rush, "queue"), metric(rush, "oldest_seconds")) == (0, 0)


def test_nothing_is_told_twice(rush: Rush) -> None:
    by_message = Counter(one.message for one in in_store(rush))

    assert len(rush.slack.roots) == len(by_message)
    assert sorted(by_message.values()) == sorted(told_of(one["text"]) for one in rush.slack.roots)


def test_the_order_of_the_openings_is_kept(rush: Rush) -> None:
    told = in_store(rush)
    runs = [message for message, _ in groupby(one.message for one in told)]

    assert [one.at for one in told] == sorted(one.at for one in told)
    assert runs == arrivals(rush)
    assert [told_of(one["text"]) for one in rush.slack.roots] == [
        sum(one.message == run for one in told) for run in runs
    ]


def test_the_messages_are_few_and_so_are_the_calls(rush: Rush) -> None:
    span_s = (rush.busy.asked[-1] - NOON).total_seconds()

    assert len(rush.slack.roots) <= 3
    assert len(rush.busy.asked) - len(rush.busy.refused) <= 1 + span_s / EVERY_S
    assert len(rush.busy.refused) <= len(rush.busy.asked) / 2 + 1


def test_nothing_is_sent_before_slack_has_said_to_come_again(rush: Rush) -> None:
    assert rush.busy.refused
    for at, wait_s in rush.busy.refused:
        again = at + timedelta(seconds=wait_s)
        assert not [one for one in rush.busy.asked if at < one < again]


def test_the_delay_is_measured_for_every_message_and_shown_while_it_grows(rush: Rush) -> None:
    assert metric(rush, "delay_seconds_count") == len(rush.busy.delays_s)
    assert metric(rush, "delay_seconds_sum") == pytest.approx(sum(rush.busy.delays_s))
    assert rush.longest_s == pytest.approx(max(rush.busy.delays_s), abs=2)
    assert max(rush.busy.delays_s) > 5
