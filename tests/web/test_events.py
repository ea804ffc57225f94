"""What changes, as it changes, over a connection that stays open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from detector.conditions import Condition
from detector.settings import Settings, WebSettings
from detector.store import Step, Store
from detector.web import events, streams
from tests.web.conftest import eventually, fill, served, speaking
from tests.web.samples import NOON, sample_incident, sample_window


class Event(NamedTuple):
    kind: str
    id: str
    data: Any


@contextmanager
def following(
    client: httpx.Client, last: str | None = None, query: str = ""
) -> Iterator[Iterator[Event]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", f"/v1/events{query}", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """As a browser reads them."""
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        last = fields.get("id", last)
        if "data" in fields:
            yield Event(fields["event"], last, json.loads(fields["data"]))
        elif "" in fields:
            yield Event("comment", last, fields[""])
        fields = {}


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    fill(url)
    return url


def commit(url: str, step: Step) -> None:
    with Store.open(url) as store:
        store.commit(step)


def test_who_follows_hears_of_everything_that_changes(url: str) -> None:
    with speaking(url) as client, following(client) as heard:
        assert next(heard) == Event("position", "1.0", {})
        silent = Condition("silent", "access/3", NOON, NOON, None, "says nothing", "Look at it")
        opened = sample_incident(20, status="open")
        again = sample_incident(0)
        moved = sample_window(2)
        commit(url, Step(incidents=[again, opened], windows=[moved], conditions=[silent]))
        told = [next(heard) for _ in range(3)]
        assert [(one.kind, one.data["id"]) for one in told] == [
            ("incident", opened.id),
            ("window", "w0002"),
            ("condition", "silent:access/3"),
        ]
        assert [one.id for one in told] == ["1.0", "1.0", "2.0"]
        assert told[0].data == client.get(f"/v1/incidents/{opened.id}").json()

        client.post(f"/v1/incidents/{opened.id}/acknowledgement")
        change = next(heard)
        assert (change.kind, change.id, change.data["subject"]) == ("change", "2.1", opened.id)


def test_who_comes_again_hears_first_of_what_was_missed_and_of_nothing_twice(url: str) -> None:
    for n in (20, 21):
        commit(url, Step(incidents=[sample_incident(n)]))
    with speaking(url) as client:
        with following(client, "2.0") as heard:
            missed = next(heard)
        assert missed.data["id"] == sample_incident(21).id
        with following(client, missed.id) as heard:
            commit(url, Step(incidents=[sample_incident(22)]))
            assert next(heard).data["id"] == sample_incident(22).id


def test_who_missed_too_much_or_knows_another_store_is_told_to_read_anew(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST", 3)
    commit(url, Step(incidents=[sample_incident(n) for n in range(20, 24)]))
    with speaking(url) as client:
        for last in ("1.0", "99.0", "2.7"):
            with following(client, last) as heard:
                assert next(heard) == Event("reset", "2.0", {})


def test_who_asks_for_one_kind_hears_of_no_other_but_keeps_the_position(url: str) -> None:
    with speaking(url) as client, following(client, "1.0", "?kind=window") as heard:
        commit(url, Step(incidents=[sample_incident(20)]))
        assert next(heard) == Event("position", "2.0", {})
        commit(url, Step(windows=[sample_window(2)]))
        assert next(heard).kind == "window"


def test_a_silent_stream_shows_that_it_lives_and_ends_in_time(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(events, "LASTS_S", 1.5)
    with speaking(url) as client, following(client) as heard:
        kinds = [one.kind for one in heard]
    assert kinds[0] == "position"
    assert set(kinds[1:]) == {"comment"}


def test_no_more_follow_than_the_settings_allow_and_who_leaves_makes_room(url: str) -> None:
    few = Settings(web=WebSettings(rate_per_s=1e6, burst=1_000_000, max_streams=1))
    with speaking(url, few) as client:
        with following(client) as heard:
            next(heard)
            refused = client.get("/v1/events")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")

        def taken() -> bool:
            with client.stream("GET", "/v1/events") as answer:
                return answer.status_code == 200

        eventually(taken)


def test_an_id_that_is_not_ours_is_refused(client: httpx.Client) -> None:
    for last in ("x", "1", "1.2.3", "-1.0", "9" * 30 + ".0"):
        answer = client.get("/v1/events", headers={"Last-Event-ID": last})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["parameter"] == "Last-Event-ID"


def test_streams_end_whole_when_the_server_is_told_to_end(url: str) -> None:
    with httpx.Client(timeout=60) as client:
        with served("--store", url) as base:
            request = client.build_request("GET", f"{base}/v1/events")
            answer = client.send(request, stream=True)
            lines = answer.iter_lines()
            assert next(lines).startswith("retry")
        assert "position" in "".join(lines)
        answer.close()
