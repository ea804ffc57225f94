"""What is read over HTTP: lists and their order, filters, pages, entity tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.web.conftest import served
from tests.web.samples import sample_incidents

ORDER = [
    one.id for one in sorted(sample_incidents(), key=lambda i: (i.detected_at, i.id), reverse=True)
]


def ids(client: httpx.Client, path: str = "/v1/incidents", **query: str | list[str]) -> list[str]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def test_incidents_come_with_the_one_detected_last_first(client: httpx.Client) -> None:
    assert ids(client) == ORDER


@pytest.mark.parametrize("size", [1, 2, 5, 11, 12, 13])
def test_pages_of_any_size_give_every_incident_once_and_in_order(
    client: httpx.Client, size: int
) -> None:
    found: list[str] = []
    link: str | None = f"/v1/incidents?page_size={size}"
    while link is not None:
        answer = client.get(link)
        assert answer.status_code == 200
        found += [one["id"] for one in answer.json()["items"]]
        link = answer.links.get("next", {}).get("url")
    assert found == ORDER


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"status": "open"}, {8}),
        ({"status": ["open", "worsening"]}, {8, 9}),
        ({"cause": "workload"}, {8}),
        ({"severity": "critical"}, {4}),
        ({"service": "pay.bank"}, {9}),
        ({"source": "web.front"}, {10}),
        ({"namespace": "bank"}, {9}),
        ({"namespace": "edge"}, {10}),
        ({"flag": "UF"}, {10}),
        ({"code": "500"}, {8}),
        ({"window": "w0000", "service": "api.edge"}, {10}),
        ({"fault": "routes-first", "until": "2026-03-01T12:02:00Z"}, {1}),
        ({"since": "2026-03-01T12:09:00Z"}, {7, 8, 9}),
        ({"until": "2026-03-01T12:01:00Z"}, {0}),
        ({"q": "PAY"}, {9}),
        ({"q": "i00000000003"}, {3}),
        ({"q": "%"}, set()),
        ({"namespace": "nowhere"}, set()),
    ],
)
def test_a_filter_gives_those_that_it_names(
    client: httpx.Client, query: dict[str, Any], numbers: set[int]
) -> None:
    assert {int(one[1:]) for one in ids(client, **query)} == numbers


def test_one_incident_is_told_whole(client: httpx.Client) -> None:
    told = client.get("/v1/incidents/i00000000001").json()
    assert told["observed"] == {"errors": 412.0, "requests": 9871.0}
    assert told["attribution"]["window"]["id"] == "w0000"


def test_windows_are_told_with_their_proxies(client: httpx.Client) -> None:
    assert ids(client, "/v1/windows") == ["w0002", "w0001", "w0000"]
    assert ids(client, "/v1/windows", open="true") == ["w0002"]
    assert ids(client, "/v1/windows", kind="push") == ["w0001"]
    assert client.get("/v1/windows/w0000").json()["proxies"] == {
        "cart-7d9f.shop": "2026-03-01T12:00:05Z"
    }


def test_what_has_not_changed_is_not_sent_again(client: httpx.Client) -> None:
    for path in ("/v1/incidents", "/v1/incidents/i00000000001", "/v1/windows"):
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/incidents?statuss=open", 400, "did you mean status"),
        ("/v1/incidents?status=broken", 400, "status"),
        ("/v1/incidents?page_size=501", 400, "page_size"),
        ("/v1/incidents?page_size=1&page_size=2", 400, "once"),
        ("/v1/incidents?since=yesterday", 400, "since"),
        ("/v1/incidents?page_token=zzz", 400, "page token"),
        ("/v1/incidents/nobody", 404, "nobody"),
        ("/v1/incidents/nobody?x=1", 400, "no parameter x"),
        ("/v1/windows/none", 404, "none"),
        ("/nowhere", 404, "openapi.json"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(
    client: httpx.Client, path: str, status: int, words: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_a_page_token_of_other_filters_is_refused(client: httpx.Client) -> None:
    token = client.get("/v1/incidents", params={"page_size": 1}).json()["next_page_token"]
    answer = client.get("/v1/incidents", params={"status": "open", "page_token": token})
    assert answer.status_code == 400
    assert "other filters" in answer.json()["detail"]


def test_a_method_that_is_not_known_is_a_problem_too(client: httpx.Client) -> None:
    answer = client.delete("/v1/incidents")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_store_the_answer_says_so_and_when_to_come_again(tmp_path: Path) -> None:
    with served("--store", f"sqlite:///{tmp_path / 'none.db'}") as base:
        answer = httpx.get(f"{base}/v1/incidents")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "there is no store" in answer.json()["detail"]
