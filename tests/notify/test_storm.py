from __future__ import annotations

import re
import time
from itertools import pairwise

import msgspec

from tests.notify.conftest import World, incident, until
from tests.parts.slack import FakeSlack, Fault


def told_of(text: str) -> int:
    """How many incidents a message tells of."""
    many = re.search(r"([\d,]+) incidents? at once", text)
    return int(many[1].replace(",", "")) if many else 1


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
