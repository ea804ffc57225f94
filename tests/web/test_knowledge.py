"""What is normal, what changed and how well we hear, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from detector.conditions import Condition
from detector.engine.baselines import Baseline, BaselineRows
from detector.reconciliation import LedgerRows, WorkloadRollout
from detector.settings import Settings, SignatureSettings, WebSettings
from detector.signatures import catalogue
from detector.store import Step, Store
from detector.store.rollout_rows import KEEP
from detector.types import Series
from tests.web.conftest import fill, speaking
from tests.web.samples import NOON, sample_incident, sample_windows
from tests.web.test_pages import words

CART, PAY = "cart.shop.svc.cluster.local", "pay.bank"
OFF = catalogue()[0].id
SETTINGS = Settings(
    web=WebSettings(rate_per_s=1e6, burst=1_000_000), signatures=SignatureSettings(off=(OFF,))
)


def baseline(
    service: str, source: str, signal: str, *, settles: int = -1, judged: bool = True
) -> Baseline:
    return Baseline(
        series=Series("source", source, service, signal),
        since=NOON - timedelta(days=2),
        settles_at=NOON + timedelta(hours=settles),
        judged=judged,
        counted=False,
        rate=0.001,
    )


BASELINES = [
    baseline(CART, "admin.ops", "NR"),
    baseline(CART, "frontend.shop", "500", settles=3),
    baseline(CART, "frontend.shop", "NR"),
    baseline(PAY, "frontend.shop", "UF", judged=False),
    baseline("quiet.shop", "frontend.shop", "UC"),
]


def rollout(n: int, workload: str, minutes: int) -> WorkloadRollout:
    start = NOON + timedelta(minutes=minutes)
    end = start + timedelta(minutes=2)
    return WorkloadRollout(workload, start, end, "Scaled up", f"r{n}")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    url = f"sqlite:///{tmp_path_factory.mktemp('known') / 'store.db'}"
    fill(url)
    old = rollout(0, "cart.shop", -60 * 24 * 40)
    rollouts = [
        rollout(1, "cart.shop", -30),
        rollout(2, "pay.bank", 5),
        rollout(3, "cart.shop", 90),
    ]
    silent = Condition("silent", "access/3", NOON, NOON, None, "says nothing", "Look at it")
    late = Condition("late", "entries", NOON, NOON, NOON, "came late", "Look at it")
    with Store.open(url) as store:
        store.commit(Step(ledger=LedgerRows([], [], [], [], rollouts=[old])))
        gone = baseline("gone.shop", "frontend.shop", "UC")
        store.commit(Step(baselines=BaselineRows([gone], whole=True)))
        store.commit(Step(baselines=BaselineRows(BASELINES, [gone.series])))
        store.commit(
            Step(
                ledger=LedgerRows([], [], [], [], rollouts=rollouts),
                conditions=[silent, late],
                rejects={"json-other": 3, "empty": 9},
                time=NOON,
                first=NOON - timedelta(days=2),
            )
        )
    assert rollouts[-1].latest - old.latest > KEEP
    with speaking(url, SETTINGS) as client:
        yield client


def listed(client: httpx.Client, path: str, **query: str | list[str]) -> list[dict[str, Any]]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert isinstance(items, list)
    return items


def paged(client: httpx.Client, path: str, size: int) -> list[str]:
    found: list[str] = []
    link: str | None = f"{path}?page_size={size}"
    while link is not None:
        answer = client.get(link)
        assert answer.status_code == 200
        found += [one.get("id") or one["host"] for one in answer.json()["items"]]
        link = answer.links.get("next", {}).get("url")
    return found


@pytest.mark.parametrize("path", ["/v1/series", "/v1/services", "/v1/changes"])
@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_of_any_size_give_everything_once_and_in_order(
    known: httpx.Client, path: str, size: int
) -> None:
    whole = [one.get("id") or one["host"] for one in listed(known, path)]
    assert len(whole) > 2
    assert paged(known, path, size) == whole


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, {0, 1, 2, 3, 4}),
        ({"service": PAY}, {3}),
        ({"service": [PAY, "quiet.shop"]}, {3, 4}),
        ({"source": "admin.ops"}, {0}),
        ({"signal": "NR"}, {0, 2}),
        ({"namespace": "ops"}, {0}),
        ({"namespace": "bank"}, {3}),
        ({"namespace": "%"}, set()),
        ({"learning": "true"}, {1, 3}),
        ({"learning": "false"}, {0, 2, 4}),
        ({"q": "quiet"}, {4}),
    ],
)
def test_series_are_found_by_what_they_are(
    known: httpx.Client, query: dict[str, Any], numbers: set[int]
) -> None:
    found = listed(known, "/v1/series", **query)
    names = [(one["service"], one["source"], one["signal"]) for one in found]
    wanted = [BASELINES[n].series for n in sorted(numbers)]
    assert names == [(one.destination, one.source, one.signal) for one in wanted]


def test_a_series_says_what_is_usual_since_when_and_how_long_it_is_still_being_learnt(
    known: httpx.Client,
) -> None:
    settled, young = listed(known, "/v1/series", service=CART, source="frontend.shop")[::-1]
    assert (settled["rate"], settled["since"]) == (0.001, "2026-02-27T12:00:00Z")
    assert (settled["learning"], young["learning"]) == (False, True)
    assert young["learned_at"] == "2026-03-01T15:00:00Z"
    one = known.get(f"/v1/series/{settled['id']}").json()
    assert len(one.pop("incidents")) == 9
    assert one == settled
    assert known.get("/v1/series/nobody").status_code == 404


def test_a_series_page_token_that_means_no_place_is_refused(known: httpx.Client) -> None:
    token = known.get("/v1/services", params={"page_size": 1}).json()["next_page_token"]
    assert known.get("/v1/series", params={"page_token": token}).status_code == 400


def test_services_are_those_that_are_known_and_those_that_failed(known: httpx.Client) -> None:
    cart, pay, quiet = listed(known, "/v1/services")
    assert [one["host"] for one in (cart, pay, quiet)] == [CART, PAY, "quiet.shop"]
    assert (cart["series"], cart["sources"], cart["learning"]) == (3, 2, 1)
    assert (quiet["incidents"], quiet["excess"], quiet["last_incident_at"]) == (0, 0.0, None)
    assert [one["host"] for one in listed(known, "/v1/services", q="pay")] == [PAY]
    assert known.get(f"/v1/services/{CART}").json() == {**cart, "windows": []}
    assert known.get("/v1/services/nobody").status_code == 404


def ids(client: httpx.Client, **query: str | list[str]) -> list[str]:
    return [one["id"] for one in listed(client, "/v1/changes", **query)]


def test_the_page_of_a_service_says_what_is_normal_and_how_long_it_is_still_being_learnt(
    known: httpx.Client,
) -> None:
    told = words(known.get(f"/services/{CART}"))
    assert "Still learning 1 of 3 series ( which )" in told
    assert "Callers that saw failures 2 3 series, each with its own normal" in told
    assert "Known since (UTC) 2026-02-27 12:00:00" in told
    assert "frontend.shop 500 (internal server error) 1 in 1,000" in told
    assert "learning, 3 h left until 15:00:00" in told
    assert "admin.ops NR (no route)" in told
    assert "learned" in told

    assert "learning too little traffic so far" in words(known.get(f"/services/{PAY}"))
    quiet = words(known.get("/services/quiet.shop"))
    assert "it was never part of an incident" in quiet
    assert "nothing all 1 series are judged by their own history" in quiet


def test_the_list_of_services_has_those_that_no_incident_touched(known: httpx.Client) -> None:
    told = words(known.get("/services"))
    assert "quiet.shop fine 0 0 none learned" in told
    assert "learning 1 of 3 series" in told
    found = words(known.get("/services?q=quiet"))
    assert "quiet.shop" in found
    assert "cart.shop" not in found
    assert known.get("/services/nowhere.shop").status_code == 404


def test_changes_of_the_control_plane_and_of_workloads_are_one_list(known: httpx.Client) -> None:
    assert ids(known) == ["w0002", "r3", "w0001", "r2", "w0000", "r1"]
    assert ids(known, kind="workload-rollout") == ["r3", "r2", "r1"]
    assert ids(known, kind="push") == ["w0001"]
    assert ids(known, workload="pay.bank") == ["r2"]
    assert ids(known, namespace="shop") == ["r3", "r1"]
    assert ids(known, since="2026-03-01T12:06:00Z", until="2026-03-01T13:00:00Z") == ["r2"]


def test_changes_around_an_incident_are_those_that_could_have_caused_it(
    known: httpx.Client,
) -> None:
    near = sample_incident(6)
    assert near.ended_at is not None
    assert ids(known, incident=near.id) == ["r2", "w0000", "r1"]
    assert ids(known, incident=near.id, since="2026-03-01T12:03:00Z") == ["r2", "w0000"]
    assert known.get("/v1/changes?incident=nobody").status_code == 404
    assert len(sample_windows()) == 3


def test_known_faults_say_whether_they_are_off_and_how_often_they_were_found(
    known: httpx.Client,
) -> None:
    items = listed(known, "/v1/signatures")
    assert [one["id"] for one in items] == [fault.id for fault in catalogue()]
    assert [one["id"] for one in listed(known, "/v1/signatures", off="true")] == [OFF]
    assert listed(known, "/v1/signatures", found="true") == []
    assert {one["cause"] for one in listed(known, "/v1/signatures", cause="client")} == {"client"}
    one = known.get(f"/v1/signatures/{OFF}").json()
    assert (one["off"], one["hits"]) == (True, None)
    assert known.get("/v1/signatures/none").status_code == 404


def test_a_fault_that_incidents_showed_is_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('hits') / 'store.db'}"
    incidents = [sample_incident(n) for n in range(4)]
    for incident in incidents:
        if incident.signature is not None:
            incident.signature = type(incident.signature)(OFF, "title", "advice")
    with Store.open(url) as store:
        store.commit(Step(incidents=incidents))
    with speaking(url, SETTINGS) as client:
        hits = client.get(f"/v1/signatures/{OFF}").json()["hits"]
    assert hits == {"times": 2, "last": "2026-03-01T12:03:20Z"}


def test_the_health_of_the_data_says_what_is_wrong_and_what_was_not_understood(
    known: httpx.Client,
) -> None:
    told = known.get("/v1/health/data").json()
    assert (told["state"], told["event_time"]) == ("resting", "2026-03-01T12:00:00Z")
    assert told["behind_s"] > 0
    assert list(told["rejects"].items()) == [("empty", 9), ("json-other", 3)]
    assert [one["id"] for one in told["conditions"]] == ["silent:access/3"]
    past = known.get("/v1/health/data?since=2026-03-01T11:00:00Z").json()
    assert {one["id"] for one in past["conditions"]} == {"silent:access/3", "late:entries"}
