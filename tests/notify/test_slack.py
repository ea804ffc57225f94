from __future__ import annotations

from detector.notify import Health, ready
from tests.notify.conftest import World, incident, until
from tests.parts.slack import Call, FakeSlack, Fault


def idle(health: Health) -> bool:
    return all(
        one.standing.sent_at is not None and one.standing.waiting == 0
        for one in health.couriers.values()
    )


def test_a_webhook_tells_an_incident_once_and_its_end_once(world: World, slack: FakeSlack) -> None:
    world.tell([incident(1)])
    with world.notifier(ops=world.hook) as (health, _):
        until(lambda: len(slack.messages) == 1 and idle(health))
        world.tell([incident(1, errors=900)], "worsened")
        until(lambda: idle(health))
        world.tell([incident(1, status="resolved", errors=900)], "resolved")
        until(lambda: len(slack.messages) == 2 and idle(health))

    first, last = (message["text"] for message in slack.messages)
    assert first.startswith("[warning, open]")
    assert "412 of 9,871" in first
    assert last.startswith("[warning, over]")


def test_a_bot_edits_one_message_and_puts_details_into_its_thread(
    world: World, slack: FakeSlack
) -> None:
    world.tell([incident(1)])
    with world.notifier(ops=world.bot):
        until(lambda: len(slack.replies) == 1)
        world.tell([incident(1, errors=900)], "worsened")
        until(lambda: slack.roots[0]["edits"] == 1)
        world.tell([incident(1, status="resolved", errors=900)], "resolved")
        until(lambda: slack.roots[0]["edits"] == 2 and len(slack.replies) == 2)

    assert len(slack.roots) == 1
    assert slack.roots[0]["text"].startswith("[warning, over]")
    assert {one["thread_ts"] for one in slack.replies} == {slack.roots[0]["ts"]}


def test_a_warning_that_becomes_critical_is_heard_in_the_channel(
    world: World, slack: FakeSlack
) -> None:
    world.tell([incident(1)])
    with world.notifier(bot=world.bot, hook=world.hook):
        until(lambda: len(slack.replies) == 1 and len(slack.made("webhook")) == 1)
        world.tell([incident(1, severity="critical")], "severity")
        until(lambda: len(slack.replies) == 2 and len(slack.made("webhook")) == 2)

    assert [one["reply_broadcast"] for one in slack.replies] == [False, True]
    assert slack.made("webhook")[-1].told["text"].startswith("[critical")


def test_a_message_that_somebody_deleted_is_sent_anew_once(world: World, slack: FakeSlack) -> None:
    world.tell([incident(1)])
    with world.notifier(ops=world.bot) as (health, _):
        until(lambda: len(slack.replies) == 1)
        slack.messages.clear()
        world.tell([incident(1, errors=900)], "worsened")
        until(lambda: len(slack.roots) == 1)
        until(lambda: idle(health))
        slack.messages.clear()
        world.tell([incident(1, errors=1900)], "worsened")
        until(lambda: idle(health))
        world.tell([incident(2)])
        until(lambda: len(slack.roots) == 1)

    assert "svc2" in slack.roots[0]["text"]


def test_blocks_that_slack_does_not_take_are_told_as_text(world: World, slack: FakeSlack) -> None:
    def no_blocks(call: Call) -> Fault | None:
        return Fault(400, "invalid_blocks") if call.told.get("blocks") else None

    slack.fault = no_blocks
    world.tell([incident(1)])
    with world.notifier(ops=world.hook):
        until(lambda: len(slack.messages) == 1)

    assert "412 of 9,871" in slack.messages[0]["text"]


def test_a_permanent_error_stops_the_channel_and_a_new_secret_starts_it_again(
    world: World, slack: FakeSlack
) -> None:
    archived = Fault(410, "channel_is_archived")
    slack.fault = lambda call: archived if call.method == "webhook" else None
    world.tell([incident(1)])
    with world.notifier(dead=world.hook, live=world.bot) as (health, _):
        until(lambda: health.couriers["dead"].standing.problem)
        tried = len(slack.made("webhook"))
        told = ready(health)
        slack.fault = lambda _: None
        until(lambda: len(slack.roots) == 1)
        assert len(slack.made("webhook")) == tried == 1
        world.secret("hook", slack.hook + "#rotated")
        until(lambda: len(slack.made("webhook")) == 2)
        until(lambda: not health.couriers["dead"].standing.waiting)

    channel = told.detail["channels"]["dead"]
    assert told.ok
    assert channel["problem"] == "HTTP 410 channel_is_archived"
    assert (channel["state"], channel["waiting"][:10]) == ("stopped", "1 incident")
