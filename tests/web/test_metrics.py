"""What the web process counts of itself, and what it says when it fails."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from detector.web import silences
from tests.web.conftest import fill, speaking


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Samples by name and the values of their labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (one.name, *one.labels.values()): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def test_requests_are_counted_by_what_they_asked_for_and_never_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    fill(url)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(silences, "find_silences", broken)
    with speaking(url) as client:
        for name in ("i00000000001", "i00000000002", "secret-name"):
            client.get(f"/v1/incidents/{name}")
        client.get("/nowhere")
        client.request("PROPFIND", "/v1/windows")
        client.get("/v1/windows", headers={"Authorization": "Bearer x"})
        client.get("/v1/windows", headers={"Host": "evil.example"})
        failed = client.get("/v1/silences")
        with client.stream("GET", "/v1/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            found = samples(client)
        text = client.get("/metrics").text

    requests = "pushwake_http_requests_total"
    assert found[requests, "GET", "/v1/incidents/{incident_id}", "200"] == 2
    assert found[requests, "GET", "/v1/incidents/{incident_id}", "404"] == 1
    assert found[requests, "GET", "/v1/silences", "500"] == 1
    assert found[requests, "GET", "-", "404"] == 1
    assert found[requests, "GET", "-", "401"] == 1
    assert {key[1] for key in found if key[0] == requests} == {"GET", "other"}
    assert found["pushwake_http_refused_total", "token"] == 1
    assert found["pushwake_http_refused_total", "host"] == 1
    assert found["pushwake_event_streams",] == 1
    took = "pushwake_http_request_duration_seconds_count"
    assert found[took, "/v1/incidents/{incident_id}"] == 3
    assert "secret-name" not in text
    assert "evil" not in text

    assert failed.status_code == 500
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.json()["request_id"] == failed.headers["x-request-id"]
    assert "ZeroDivision" not in failed.text
    log = capsys.readouterr().err
    assert failed.headers["x-request-id"] in log
    assert "ZeroDivision" in log


def test_metrics_need_no_store(tmp_path: Path) -> None:
    with speaking(f"sqlite:///{tmp_path / 'none.db'}") as client:
        assert client.get("/v1/windows").status_code == 503
        found = samples(client)
    assert found["pushwake_http_requests_total", "GET", "/v1/windows", "503"] == 1
