"""What is written over HTTP: by whom, under which conditions, once only, and all of it audited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from detector import clock

ONE = "/v1/incidents/i00000000001"
SILENCE: dict[str, Any] = {
    "matcher": {"service": ["cart.shop.*"], "signal": ["NR"]},
    "reason": "known",
    "owner": "ann",
    "lasts_s": 3600,
}
MISS: dict[str, Any] = {
    "service": "cart.shop",
    "signal": "UC",
    "started_at": "2026-03-01T11:57:00Z",
    "ended_at": "2026-03-01T11:58:00Z",
    "failed": 57,
    "requests": 190,
}


def audited(client: httpx.Client, subject: str) -> list[str]:
    found = client.get("/v1/audit", params={"subject": subject}).json()["items"]
    return [one["action"] for one in reversed(found)]


def silence(client: httpx.Client, **changes: object) -> httpx.Response:
    return client.post("/v1/silences", json=SILENCE | changes)


def test_an_acknowledged_incident_says_who_looks_after_it_until_they_stop(
    writer: httpx.Client,
) -> None:
    path = f"{ONE}/acknowledgement"
    assert writer.get(path).status_code == 404

    taken = writer.post(path, json={"note": "on it"})
    assert (taken.status_code, taken.json()["by"], taken.json()["note"]) == (200, "local", "on it")
    assert writer.get(ONE).json()["acknowledgement"] == taken.json()
    assert writer.get(path).headers["etag"] == taken.headers["etag"]

    assert writer.delete(path).status_code == 204
    assert writer.delete(path).status_code == 404
    assert writer.get(ONE).json()["acknowledgement"] is None
    assert audited(writer, "i00000000001") == ["incident.acknowledge", "incident.unacknowledge"]


def test_what_somebody_else_said_is_replaced_only_by_who_has_read_it(writer: httpx.Client) -> None:
    path = "/v1/incidents/i00000000002/feedback"
    first = writer.post(path, json={"verdict": "false"}, headers={"If-None-Match": "*"})
    assert first.status_code == 200

    blind = writer.post(path, json={"verdict": "true"})
    assert (blind.status_code, blind.json()["errors"][0]["parameter"]) == (428, "If-Match")
    late = writer.post(path, json={"verdict": "true"}, headers={"If-Match": '"old"'})
    assert late.status_code == 412
    twice = writer.post(path, json={"verdict": "true"}, headers={"If-None-Match": "*"})
    assert twice.status_code == 412

    tag = first.headers["etag"]
    seen = writer.post(path, json={"verdict": "expected"}, headers={"If-Match": tag})
    assert (seen.status_code, seen.json()["verdict"]) == (200, "expected")
    assert writer.delete(path, headers={"If-Match": tag}).status_code == 412
    assert writer.delete(path).status_code == 204
    assert audited(writer, "i00000000002") == [
        "incident.feedback",
        "incident.feedback",
        "incident.feedback.withdraw",
    ]


def test_a_silence_shows_at_the_incidents_that_it_holds_back_and_ends_early(
    writer: httpx.Client,
) -> None:
    made = silence(writer)
    told = made.json()
    assert (made.status_code, told["state"], told["created_by"]) == (201, "active", "local")
    assert made.headers["location"] == f"/v1/silences/{told['id']}"
    assert told["id"] in writer.get(ONE).json()["silenced_by"]
    assert writer.get("/v1/incidents/i00000000009").json()["silenced_by"] == []

    end = f"/v1/silences/{told['id']}/end"
    assert writer.post(end).status_code == 428
    ended = writer.post(end, headers={"If-Match": made.headers["etag"]})
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    again = writer.post(end, headers={"If-Match": ended.headers["etag"]})
    assert again.status_code == 409
    assert told["id"] not in writer.get(ONE).json()["silenced_by"]
    assert audited(writer, told["id"]) == ["silence.create", "silence.end"]


def test_silences_are_listed_by_state_and_in_pages(writer: httpx.Client) -> None:
    later = (clock.now() + timedelta(hours=1)).isoformat()
    made = [silence(writer, starts_at=later).json()["id"] for _ in range(3)]

    found: list[str] = []
    link: str | None = "/v1/silences?state=pending&page_size=2"
    while link is not None:
        answer = writer.get(link)
        found += [one["id"] for one in answer.json()["items"]]
        link = answer.links.get("next", {}).get("url")
    assert found == made[::-1]
    assert writer.get(f"/v1/silences/{made[0]}").json()["state"] == "pending"
    assert made[0] not in writer.get("/v1/silences?state=ended").text
    assert made[0] not in writer.get("/v1/silences?state=active").text

    tag = writer.get(f"/v1/silences/{made[0]}").headers["etag"]
    writer.post(f"/v1/silences/{made[0]}/end", headers={"If-Match": tag})
    assert writer.get(f"/v1/silences/{made[0]}").json()["state"] == "ended"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"lasts_s": None}, "/ends_at"),
        ({"lasts_s": 40 * 86400}, "/lasts_s"),
        ({"lasts_s": None, "ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
        ({"lasts_s": None, "ends_at": "2999-01-01T00:00:00Z"}, "/ends_at"),
        ({"ends_at": "2999-01-01T00:00:00Z"}, "/lasts_s"),
        ({"matcher": {}}, "/matcher"),
        ({"matcher": {"services": ["x"]}}, "/matcher"),
        ({"matcher": {"service": [""]}}, "/matcher/service/0"),
        ({"owner": " "}, "/owner"),
        ({"reason": None}, "/reason"),
    ],
)
def test_a_silence_without_end_owner_reason_or_aim_is_refused_where_it_is_wrong(
    writer: httpx.Client, changes: dict[str, Any], pointer: str
) -> None:
    body = {name: value for name, value in (SILENCE | changes).items() if value is not None}
    if changes.get("reason", "") is None:
        body["reason"] = " "
    answer = writer.post("/v1/silences", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"ended_at": "2026-03-01T11:57:00Z"}, "/ended_at"),
        ({"failed": 191}, "/failed"),
        ({"service": "no host"}, "/service"),
        ({"cause": "somebody"}, "/cause"),
    ],
)
def test_a_miss_that_makes_no_sense_is_refused_where_it_is_wrong(
    writer: httpx.Client, changes: dict[str, Any], pointer: str
) -> None:
    answer = writer.post("/v1/misses", json=MISS | changes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_request_repeated_under_its_key_changes_nothing_more(writer: httpx.Client) -> None:
    headers = {"Idempotency-Key": "abc"}
    first, second = (writer.post("/v1/silences", json=SILENCE, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["etag"] == first.headers["etag"]

    other = writer.post("/v1/silences", json=SILENCE | {"owner": "bob"}, headers=headers)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-key")
    long = writer.post("/v1/silences", json=SILENCE, headers={"Idempotency-Key": "k" * 201})
    assert long.status_code == 400


def test_a_refused_request_leaves_its_key_free(writer: httpx.Client) -> None:
    headers = {"Idempotency-Key": "free"}
    assert writer.post("/v1/incidents/x/acknowledgement", headers=headers).status_code == 404
    assert writer.post("/v1/windows", headers=headers).status_code == 201


def test_a_change_is_announced_and_closed(writer: httpx.Client) -> None:
    made = writer.post("/v1/windows", json={"kind": "upgrade", "to_version": "1.7.5"})
    told = made.json()
    assert (made.status_code, told["to_version"], told["ended_at"]) == (201, "1.7.5", None)
    assert made.headers["location"] == f"/v1/windows/{told['id']}"
    assert writer.get(f"/v1/windows/{told['id']}").json() == told

    closed = writer.post(f"/v1/windows/{told['id']}/close", json={"note": "done"})
    assert closed.status_code == 200
    assert closed.json()["ended_at"] is not None
    assert writer.get(f"/v1/windows/{told['id']}").json()["reason"].endswith("done")
    assert writer.post(f"/v1/windows/{told['id']}/close").status_code == 409
    assert writer.post("/v1/windows/w0000/close").status_code == 409
    assert writer.post("/v1/windows/none/close").status_code == 404
    future = writer.post("/v1/windows", json={"started_at": "2999-01-01T00:00:00Z"})
    assert future.status_code == 422


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"verdict": "maybe"}', "application/json", 422),
        (b'{"verdict": "true", "x": 1}', "application/json", 422),
        (b'{"verdict": "true"}', "text/plain", 415),
        (b"x" * 100_000, "application/json", 413),
        (None, "application/json", 413),
    ],
)
def test_a_body_that_says_nothing_we_know_is_a_problem(
    writer: httpx.Client, body: bytes | None, kind: str, status: int
) -> None:
    content = (b"x" * 10_000 for _ in range(10)) if body is None else body
    answer = writer.post(f"{ONE}/feedback", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_audit_log_comes_in_pages_with_who_and_what(writer: httpx.Client) -> None:
    for _ in range(3):
        writer.post("/v1/windows", json={"note": "x"})
    first = writer.get("/v1/audit", params={"action": "window.create", "page_size": 2})
    second = writer.get(first.links["next"]["url"])
    entries = [*first.json()["items"], *second.json()["items"]]
    assert len({one["id"] for one in entries}) == len(entries) >= 3
    assert entries[0]["details"]["note"] == "x"
    assert all(one["by"] == "local" for one in entries)
