"""In quiet hours only what is critical is told; in the morning all of the rest is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from detector.notify import Meter
from detector.notify.courier import Courier
from detector.settings import ChannelSettings
from tests.notify.conftest import Watch, World, deliver, incident
from tests.parts.slack import FakeSlack

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(hour: int, minute: int = 0, *, day: int = 1) -> datetime:
    return datetime(2026, 7, day, hour, minute, tzinfo=BERLIN)


def resting(channel: ChannelSettings) -> ChannelSettings:
    return msgspec.structs.replace(channel, quiet_hours="22:00-06:00", time_zone="Europe/Berlin")


@pytest.fixture
def watch(world: World) -> Watch:
    world.notify = msgspec.structs.replace(world.notify, storm=100)
    watch = Watch(berlin(21))
    world.now = watch
    return watch


def named(messages: Sequence[dict[str, str]]) -> list[str]:
    """The numbers of the incidents that messages tell of."""
    return [re.findall(r"svc(\d+)", one["text"])[0] for one in messages]


def pass_time(watch: Watch, courier: Courier, until: datetime) -> None:
    """Let a quarter of an hour pass after the other, and the courier do what it may."""
    while watch.at < until:
        watch.at = min(until, watch.at + timedelta(minutes=15))
        deliver(courier)


def metric(meter: Meter, name: str) -> float | None:
    return meter.registry.get_sample_value(f"pushwake_notification_{name}", {"channel": "ops"})


@pytest.mark.parametrize("kind", ["hook", "bot"])
def test_what_opens_at_night_is_told_in_the_morning_in_its_order_and_nothing_is_lost(
    world: World, slack: FakeSlack, watch: Watch, kind: str
) -> None:
    channel: ChannelSettings = getattr(world, kind)
    with world.couriers(ops=resting(channel)) as (couriers, meter):
        courier = couriers["ops"]
        world.tell([incident(0)])
        deliver(courier)
        assert named(slack.roots) == ["0"]

        watch.at = berlin(22)
        world.tell([incident(n) for n in (1, 2)])
        pass_time(watch, courier, berlin(23, 45))
        world.tell([incident(3)])
        pass_time(watch, courier, berlin(1, day=2))
        world.tell([incident(4)])
        world.tell([incident(2, status="resolved")], "resolved")
        pass_time(watch, courier, berlin(5, 59, day=2))

        assert named(slack.roots) == ["0"]
        assert metric(meter, "held") == 4
        assert (metric(meter, "queue"), metric(meter, "oldest_seconds")) == (0, 0)

        pass_time(watch, courier, berlin(6, day=2))
        assert named(slack.roots) == ["0", "1", "3", "4", "2"]
        assert metric(meter, "held") == 0
    assert "Told 8 h late: it came in quiet hours." in str(slack.roots[1]["blocks"])


@pytest.mark.parametrize("kind", ["hook", "bot"])
def test_what_is_critical_or_becomes_so_is_told_at_night(
    world: World, slack: FakeSlack, watch: Watch, kind: str
) -> None:
    channel: ChannelSettings = getattr(world, kind)
    watch.at = berlin(23)
    with world.couriers(ops=resting(channel)) as (couriers, _):
        world.tell([incident(1, severity="critical"), incident(2)])
        deliver(couriers["ops"])
        assert named(slack.roots) == ["1"]

        world.tell([incident(2, status="worsening", severity="critical")], "worsened")
        deliver(couriers["ops"])
        assert named(slack.roots) == ["1", "2"]

        pass_time(watch, couriers["ops"], berlin(9, day=2))
    assert named(slack.roots) == ["1", "2"]


def test_an_end_at_night_waits_for_the_morning_where_it_is_a_message_of_its_own(
    world: World, slack: FakeSlack, watch: Watch
) -> None:
    with world.couriers(ops=resting(world.hook)) as (couriers, _):
        world.tell([incident(1)])
        deliver(couriers["ops"])
        watch.at = berlin(2, day=2)
        world.tell([incident(1, status="resolved")], "resolved")
        deliver(couriers["ops"])
        assert len(slack.roots) == 1

        pass_time(watch, couriers["ops"], berlin(6, day=2))
    assert [", over:" in one["text"] or ", over]" in one["text"] for one in slack.roots] == [
        False,
        True,
    ]


def test_an_end_at_night_shows_at_once_where_a_message_is_edited(
    world: World, slack: FakeSlack, watch: Watch
) -> None:
    with world.couriers(ops=resting(world.bot)) as (couriers, _):
        world.tell([incident(1)])
        deliver(couriers["ops"])
        watch.at = berlin(2, day=2)
        world.tell([incident(1, status="resolved")], "resolved")
        deliver(couriers["ops"])

    (root,) = slack.roots
    assert root["text"].startswith("[warning, over]")


def test_a_notifier_that_is_started_anew_at_night_forgets_nothing(
    world: World, slack: FakeSlack, watch: Watch
) -> None:
    watch.at = berlin(23)
    with world.couriers(ops=resting(world.hook)) as (couriers, _):
        world.tell([incident(0)])
        deliver(couriers["ops"])
        world.tell([incident(1)])
        deliver(couriers["ops"])
    world.tell([incident(2)])
    watch.at = berlin(4, day=2)
    with world.couriers(ops=resting(world.hook)) as (couriers, _):
        deliver(couriers["ops"])
        assert slack.roots == []
        watch.at = berlin(6, day=2)
        deliver(couriers["ops"])

    assert named(slack.roots) == ["0", "1", "2"]


def test_each_channel_is_told_what_it_is_for(world: World, slack: FakeSlack, watch: Watch) -> None:
    channels = {
        "critical": msgspec.structs.replace(world.hook, severity="critical"),
        "workloads": msgspec.structs.replace(world.hook, causes=("workload",)),
        "bank": msgspec.structs.replace(world.hook, namespaces=("bank",)),
        "night": resting(world.hook),
    }
    made = [incident(n) for n in range(3)]
    made[0].severity = "critical"
    made[1].attribution = replace(made[1].attribution, cause="workload")
    bank = made[2].series[0]._replace(destination="svc2.bank.svc.cluster.local")
    made[2].series = [bank]
    watch.at = berlin(3)
    world.tell(made)

    told = {}
    with world.couriers(**channels) as (couriers, _):
        for name, courier in couriers.items():
            before = len(slack.roots)
            deliver(courier)
            told[name] = named(slack.roots[before:])

    assert told == {"critical": ["0"], "workloads": ["1"], "bank": ["2"], "night": ["0"]}
