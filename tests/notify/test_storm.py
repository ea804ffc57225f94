from __future__ import annotations

import re
import time
from itertools import pairwise

import msgspec
import pytest

from detector.settings import ChannelSettings
from tests.notify.conftest import World, incident, until
from tests.parts.slack import Call, FakeSlack, Fault

INCIDENTS = 500


def told_of(text: str) -> int:
    """How many incidents a message tells of."""
    many = re.search(r"([\d,]+) incidents? at once", text)
    return int(many[1].replace(",", "")) if many else 1


class Busy:
    """A Slack that takes nothing twice, then one message a second."""

    def __init__(self) -> None:
        self.refused: list[float] = []
        self.taken_at = 0.0

    def __call__(self, call: Call) -> Fault | None:
        if len(self.refused) < 2 or call.at - self.taken_at < 1:
            self.refused.append(time.monotonic())
            return Fault(429, "rate_limited", retry_after=1)
        self.taken_at = call.at
        return None


@pytest.mark.parametrize("kind", ["hook", "bot"])
def test_500_incidents_against_a_slack_that_is_busy_are_all_told_once_in_few_messages(
    world: World, slack: FakeSlack, kind: str
) -> None:
    channel: ChannelSettings = getattr(world, kind)
    busy = Busy()
    slack.fault = busy
    world.notify = msgspec.structs.replace(world.notify, regroup_s=4)
    with world.notifier(ops=channel) as (health, meter):
        until(lambda: health.phase == "running")
        for first in range(0, INCIDENTS, 100):
            world.tell([incident(n) for n in range(first, first + 100)])
            time.sleep(0.5)
        standing = health.couriers["ops"].standing
        until(lambda: sum(told_of(one["text"]) for one in slack.roots) == INCIDENTS)
        until(lambda: standing.waiting == 0)
        told = [told_of(one["text"]) for one in slack.roots]
        delays = meter.registry.get_sample_value(
            "pushwake_notification_delay_seconds_count", {"channel": "ops"}
        )

    assert sum(told) == INCIDENTS
    assert len(told) <= 5
    assert busy.refused
    calls = [call.at for call in slack.made("chat.postMessage", "chat.update", "webhook")]
    for refused in busy.refused:
        assert not [at for at in calls if refused < at < refused + 1.0]
    assert delays
    assert len(calls) <= 60


def test_a_storm_that_is_over_is_told_once(world: World, slack: FakeSlack) -> None:
    world.tell([incident(n) for n in range(20)])
    with world.notifier(ops=world.hook):
        until(lambda: len(slack.messages) == 1)
        world.tell([incident(n, status="resolved") for n in range(19)], "resolved")
        time.sleep(1.2)
        assert len(slack.messages) == 1
        world.tell([incident(19, status="resolved")], "resolved")
        until(lambda: len(slack.messages) == 2)

    assert [told_of(one["text"]) for one in slack.messages] == [20, 20]
    assert "all are over" in slack.messages[1]["text"]


def test_openings_come_in_their_order_and_before_what_is_already_over(
    world: World, slack: FakeSlack
) -> None:
    world.notify = msgspec.structs.replace(world.notify, storm=100)
    numbers = range(6)
    world.tell([incident(n) for n in numbers])
    hold = Fault(429, "rate_limited", retry_after=1)
    slack.fault = lambda _: hold
    with world.notifier(ops=world.hook):
        until(lambda: slack.calls)
        world.tell([incident(n, status="resolved") for n in (0, 1)], "resolved")
        time.sleep(0.6)
        slack.fault = lambda _: None
        until(lambda: len(slack.messages) == len(numbers))

    told = [re.findall(r"svc(\d)", one["text"])[0] for one in slack.messages]
    assert told == ["2", "3", "4", "5", "0", "1"]
    assert [one["text"].split("]")[0].split(", ")[1] for one in slack.messages[-2:]] == ["over"] * 2


def test_faults_that_pass_are_tried_again_until_they_have(world: World, slack: FakeSlack) -> None:
    left = [Fault(503, "sorry"), Fault(500, "no"), Fault(0), Fault(504, "late")]
    slack.fault = lambda _: left.pop() if left else None
    world.tell([incident(1)])
    with world.notifier(ops=world.bot):
        until(lambda: len(slack.roots) == 1)

    assert all(first.at < second.at for first, second in pairwise(slack.calls))
    assert len(slack.roots) == 1
