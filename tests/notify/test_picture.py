from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from detector.details import DetailLog
from detector.recalling import picture
from detector.settings import StoreSettings
from detector.store import Step, Store
from detector.store.shared import SharedStore
from detector.timeline import notice
from tests.detector import report_samples as samples
from tests.notify.conftest import World, incident, until
from tests.notify.test_slack import idle
from tests.parts.slack import Call, FakeSlack, Fault

PNG = b"\x89PNG\r\n\x1a\n"


def test_the_chart_that_the_page_shows_comes_into_the_thread(
    world: World, slack: FakeSlack
) -> None:
    store = SharedStore(StoreSettings(url=world.url))

    def drawn(incident_id: str) -> bytes | None:
        with store.reading() as connection:
            return picture(connection, incident_id, 10)

    world.charts = drawn
    found = replace(samples.incident(), severity="critical", status="open", ended_at=None)
    log = DetailLog(timedelta(hours=1))
    log.note(found, samples.history(), samples.moments())
    with Store.open(world.url) as opened:
        opened.commit(
            Step(
                incidents=[found],
                windows=[samples.window()],
                details=log.take(),
                notices=[notice(found, "opened")],
            )
        )
    with world.notifier(ops=world.bot) as (health, _):
        until(lambda: slack.files and idle(health))
    store.close()

    (told,), (image,) = slack.files, slack.uploads
    assert image.startswith(PNG)
    assert (told["channel_id"], told["thread_ts"]) == ("C0123456789", slack.roots[0]["ts"])
    (file,) = msgspec.json.decode(told["files"])
    assert file["title"].startswith("Errors on ")
    assert slack.made("files.getUploadURLExternal")[0].told["alt_txt"] == file["title"]


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("files.getUploadURLExternal", Fault(200, '{"ok": false, "error": "missing_scope"}')),
        ("files.getUploadURLExternal", Fault(0)),
        ("upload", Fault(500, "no")),
        ("upload", Fault(0)),
        ("files.completeUploadExternal", Fault(503, "sorry")),
        ("files.completeUploadExternal", Fault(200, "no json", taken=True)),
    ],
)
def test_a_picture_that_fails_keeps_no_message_back_and_is_not_tried_for_ever(
    world: World, slack: FakeSlack, method: str, fault: Fault
) -> None:
    def failing(call: Call) -> Fault | None:
        return fault if call.method == method else None

    slack.fault = failing
    world.charts = lambda _: PNG
    world.tell([incident(1)])
    with world.notifier(ops=world.bot) as (health, meter):
        until(lambda: slack.made(method) and idle(health))
        world.tell([incident(1, errors=900)], "worsened")
        until(lambda: slack.roots[0]["edits"] == 1 and idle(health))
        lost = meter.registry.get_sample_value(
            "pushwake_notifications_total", {"channel": "ops", "result": "no picture"}
        )
        assert not health.couriers["ops"].standing.problem

    assert len(slack.made(method)) == 1
    assert lost == 1
    assert len(slack.replies) == 1


def test_a_chart_that_cannot_be_drawn_keeps_nothing_back(world: World, slack: FakeSlack) -> None:
    def broken(incident_id: str) -> bytes | None:
        raise KeyError(incident_id)

    world.charts = broken
    world.tell([incident(1), incident(2)])
    with world.notifier(ops=world.bot) as (health, _):
        until(lambda: len(slack.replies) == 2 and idle(health))

    assert len(slack.roots) == 2
    assert not slack.uploads


def test_a_slack_that_is_busy_gets_the_picture_later(world: World, slack: FakeSlack) -> None:
    left = [Fault(429, "rate_limited", retry_after=1)]
    slack.fault = lambda call: left.pop() if call.method.startswith("files.") and left else None
    world.charts = lambda _: PNG
    world.tell([incident(1)])
    with world.notifier(ops=world.bot):
        until(lambda: slack.files)

    first, second = slack.made("files.getUploadURLExternal")
    assert second.at - first.at >= 1
    assert slack.uploads == [PNG]
