from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from detector import clock
from detector.notify import ready, try_out
from detector.settings import ChannelSettings
from tests.notify.conftest import Watch, World, deliver, incident, until
from tests.parts.alertmanager import alertmanager

KEY = "whsec_" + base64.b64encode(b"a key of the user's own").decode()


class Receiver:
    """A webhook of the user's own that checks what it gets."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int] = []
        self.events: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []

    def take(self, headers: dict[str, str], body: bytes) -> int:
        event = json.loads(body)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(b"a key of the user's own", signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        assert headers["webhook-id"] == event["id"]
        assert headers["content-type"].startswith("application/cloudevents+json")
        status = self.answers.pop(0) if self.answers else 204
        (self.events if status == 204 else self.refused).append(event)
        return status


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(one.take(headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.url = f"http://127.0.0.1:{server.server_address[1]}/in"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def webhook(world: World, receiver: Receiver) -> ChannelSettings:
    key = world.secret("key", KEY)
    return ChannelSettings(kind="webhook", url=receiver.url, key_file=key)


def test_a_webhook_gets_signed_cloudevents_in_order_each_state_under_its_own_id(
    world: World, receiver: Receiver, webhook: ChannelSettings
) -> None:
    receiver.answers = [500, 204, 503]
    world.tell([incident(n) for n in range(4)])
    with world.notifier(own=webhook):
        until(lambda: len(receiver.events) == 4)
        world.tell([incident(0, status="resolved")], "resolved")
        until(lambda: len(receiver.events) == 5)

    told = [(one["subject"], one["data"]["document"]["status"]) for one in receiver.events]
    assert [status for _, status in told] == ["open"] * 4 + ["resolved"]
    assert [subject for subject, _ in told] == [f"i{n:011}" for n in (0, 1, 2, 3, 0)]
    assert len({one["id"] for one in receiver.events}) == 5
    assert {one["id"] for one in receiver.refused} < {one["id"] for one in receiver.events}
    assert {one["type"] for one in receiver.events} == {"io.pushwake.incident.v1"}


def test_a_webhook_that_refuses_an_event_is_stopped_and_keeps_it(
    world: World, receiver: Receiver, webhook: ChannelSettings
) -> None:
    receiver.answers = [400]
    world.tell([incident(1)])
    with world.notifier(own=webhook) as (health, _):
        until(lambda: health.couriers["own"].standing.problem)
        told = ready(health).detail["channels"]["own"]
    assert told["problem"].startswith("HTTP 400")
    assert told["waiting"].startswith("1 incident")

    with world.notifier(own=webhook):
        until(lambda: len(receiver.events) == 1)


def test_quiet_hours_hold_back_what_a_webhook_has_not_heard_of_and_nothing_else(
    world: World, receiver: Receiver, webhook: ChannelSettings
) -> None:
    watch = world.now = Watch(datetime(2026, 3, 1, 21, tzinfo=UTC))
    resting = msgspec.structs.replace(webhook, quiet_hours="22:00-06:00")
    with world.couriers(own=resting) as (couriers, _):
        world.tell([incident(0)])
        deliver(couriers["own"])
        watch.at = datetime(2026, 3, 1, 23, tzinfo=UTC)
        world.tell([incident(1), incident(2, severity="critical")])
        world.tell([incident(0, status="resolved")], "resolved")
        deliver(couriers["own"])
        assert [one["subject"][-1] for one in receiver.events] == ["0", "2", "0"]
        watch.at = datetime(2026, 3, 2, 6, tzinfo=UTC)
        deliver(couriers["own"])

    assert [one["subject"][-1] for one in receiver.events] == ["0", "2", "0", "1"]


def alerts(url: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts", params=query).json()
    return found


def test_a_real_alertmanager_has_an_alert_while_an_incident_goes_on(
    world: World, tmp_path: Path
) -> None:
    with alertmanager(tmp_path) as url:
        world.notify = msgspec.structs.replace(world.notify, resend_s=1)
        world.tell([incident(1), incident(2)])
        with world.notifier(am=ChannelSettings(kind="alertmanager", url=url)) as (health, _):
            until(lambda: len(alerts(url)) == 2)
            world.tell([incident(1, severity="critical")], "severity")
            critical = 'severity="critical"'
            until(lambda: len(alerts(url, filter=critical)) == 1 and len(alerts(url)) == 2)
            worst = alerts(url, filter=critical)[0]
            world.tell([incident(2, status="resolved")], "resolved")
            until(lambda: len(alerts(url)) == 1)
            first = alerts(url)[0]["updatedAt"]
            until(lambda: alerts(url)[0]["updatedAt"] > first)
            assert health.couriers["am"].standing.problem == ""

    assert worst["labels"] == {
        "alertname": "PushwakeIncident",
        "incident": "i00000000001",
        "severity": "critical",
        "cause": "control-plane",
    }
    assert "412 of 9,871" in worst["annotations"]["description"]
    assert worst["generatorURL"] == "https://pushwake.example/incidents/i00000000001"


def test_machines_are_tried_out_too(
    world: World, receiver: Receiver, webhook: ChannelSettings, tmp_path: Path
) -> None:
    with alertmanager(tmp_path) as url:
        channels = {"own": webhook, "am": ChannelSettings(kind="alertmanager", url=url)}
        settings = world.settings(**channels)
        for name in channels:
            assert [one.good for one in try_out(name, settings, clock.now())] == [True]

    assert "This is a test" in receiver.events[0]["data"]["verdict"]
