from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.notify.conftest import World, incident, until
from tests.parts.slack import HOOK, TOKEN, Call, FakeSlack, Fault

PUSHWAKE = Path(sys.executable).parent / "pushwake"


class Process:
    """A ``pushwake notify`` of its own; what it says is kept over several of them."""

    def __init__(self, world: World, kind: str, *arguments: str) -> None:
        secret = world.folder / ("hook" if kind == "slack-webhook" else "token")
        config = world.folder / f"{kind}.toml"
        config.write_text(
            f'[store]\nurl = "{world.url}"\nlease_s = 2\n'
            f"[notify]\nport = 0\npause_s = 0\nbackoff_s = 0.05\nstorm = 100\n"
            f'api_url = "{world.slack.url}/api/"\n'
            f'[notify.channels.ops]\nkind = "{kind}"\nsecret_file = "{secret}"\n'
            'to = "C0123456789"\n'
        )
        self._log = world.folder / f"{kind}.log"
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [PUSHWAKE, "notify", *arguments, "--config", config],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def address(self) -> str:
        until(lambda: re.search(r'"port":(\d+)', self.said), 40)
        ports = [match[1] for match in re.finditer(r'"port":(\d+)', self.said)]
        return f"http://127.0.0.1:{ports[-1]}"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        return self._process.wait(timeout=40)

    def end(self) -> int:
        self._process.terminate()
        return self._process.wait(timeout=20)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def stopped(probe: str) -> bool:
    return "stopped" in httpx.get(probe).text


def hanging(*, taken: bool) -> Callable[[Call], Fault]:
    """No answer comes; the message is there, or it is not."""
    return lambda _: Fault(200, taken=taken, slow_s=30)


@pytest.mark.no_cover
@pytest.mark.parametrize(("kind", "most"), [("slack-bot", 1), ("slack-webhook", 2)])
def test_killed_between_sending_and_recording_the_message_is_there_and_a_bot_sends_no_second(
    world: World, slack: FakeSlack, kind: str, most: int
) -> None:
    slack.fault = hanging(taken=True)
    world.tell([incident(1)])
    with Process(world, kind):
        assert slack.taken.wait(30)
    slack.fault = lambda _: None
    with Process(world, kind) as process:
        until(lambda: slack.replies if kind == "slack-bot" else len(slack.messages) == 2, 40)
        assert process.end() == 0

    assert len(slack.roots) == most
    if kind == "slack-webhook":
        assert "Sent again" in str(slack.roots[1]["blocks"])


@pytest.mark.no_cover
def test_killed_over_and_over_every_incident_is_told_once_and_in_order(
    world: World, slack: FakeSlack
) -> None:
    numbers = range(8)
    world.tell([incident(n) for n in numbers])
    for round_ in range(3):
        slack.fault = hanging(taken=round_ % 2 == 0)
        with Process(world, "slack-bot"):
            until(slack.heard.is_set, 40)
            time.sleep(0.1)
        slack.heard.clear()
    slack.fault = lambda _: None
    with Process(world, "slack-bot") as process:
        until(lambda: len(slack.replies) == len(numbers), 40)
        assert process.end() == 0

    assert [re.findall(r"svc(\d)", one["text"])[0] for one in slack.roots] == [*map(str, numbers)]


@pytest.mark.no_cover
def test_no_secret_is_in_logs_metrics_or_probes_whatever_slack_answers(
    world: World, slack: FakeSlack
) -> None:
    def echo(call: Call) -> Fault | None:
        bodies = [f"bad {slack.hook}", f"no {HOOK}", f"token {TOKEN}", "s3cretcanary"]
        turn = min(len(slack.made(call.method)), 4) - 1
        return Fault([500, 429, 503, 404][turn], bodies[turn], 1)

    slack.fault = echo
    world.tell([incident(1)])
    told = ""
    for kind in ("slack-webhook", "slack-bot"):
        with Process(world, kind) as process:
            probe = f"{process.address}/readyz"
            until(partial(stopped, probe), 40)
            told += httpx.get(probe).text + httpx.get(f"{process.address}/metrics").text
            process.end()
            told += process.said

    assert "HTTP 404" in told
    assert "pushwake_notification_channel_stopped" in told
    for secret in (TOKEN, "canary", "CANARY", "s3cret"):
        assert secret not in told


@pytest.mark.parametrize("kind", ["slack-bot", "slack-webhook"])
def test_a_test_message_says_that_it_is_one_and_each_step_is_told(
    world: World, slack: FakeSlack, kind: str
) -> None:
    with Process(world, kind, "test") as process:
        assert process.wait() == 0
        assert "message: ok" in process.said

    assert "This is a test" in slack.roots[0]["text"]


def test_a_test_that_fails_says_why(world: World, slack: FakeSlack) -> None:
    slack.fault = lambda _: Fault(404, "no_service")
    with Process(world, "slack-webhook", "test") as process:
        assert process.wait() == 3
        assert "message: failed: HTTP 404 no_service" in process.said
