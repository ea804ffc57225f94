"""Access log entries as JSON: default keys, custom keys, nesting, and what is not an entry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.explain import explain


def _only(document: object) -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    (answer,) = explain(text.encode())
    return answer


NEW = {
    "start_time": "2022-02-01T10:00:00.310Z",
    "method": "GET",
    "response_code": 503,
    "response_flags": "UF,URX",
    "duration": 4,
    "upstream_service_time": None,
    "upstream_cluster": "outbound|80||orders;",
}
OLD = {name: "-" if value is None else str(value) for name, value in NEW.items()}


def test_old_and_new_istio_json_say_the_same() -> None:
    old, new = _only(OLD), _only(NEW)
    assert old == new
    assert new["format"] == "istio-json"
    assert new["fields"] == {
        "start_time": "2022-02-01T10:00:00.310Z",
        "method": "GET",
        "response_code": 503,
        "response_flags": ["UF", "URX"],
        "duration_ms": 4,
        "upstream_service_time_ms": None,
        "upstream_cluster": "outbound|80||orders;",
    }


@pytest.mark.parametrize(
    ("key", "value", "field", "read"),
    [
        ("@timestamp", "2022-02-01T10:00:00.5Z", "start_time", "2022-02-01T10:00:00.5Z"),
        ("ts", 1643709600.25, "start_time", "2022-02-01T10:00:00.250Z"),
        ("timestamp", 1643709600250, "start_time", "2022-02-01T10:00:00.250Z"),
        ("req_method", "PUT", "method", "PUT"),
        (":method", "PUT", "method", "PUT"),
        ("requestMethod", "PUT", "method", "PUT"),
        ("x-envoy-origin-path", "/x", "path", "/x"),
        ("request_uri", "/x", "path", "/x"),
        ("http_protocol", "HTTP/2", "protocol", "HTTP/2"),
        ("responseCodeDetails", "via_upstream", "response_code_details", "via_upstream"),
        ("BYTES_SENT", "12", "bytes_sent", 12),
        ("total_time_ms", 12.0, "duration_ms", 12),
        ("duration", "12ms", "duration_ms", 12),
        ("x-envoy-upstream-service-time", "7", "upstream_service_time_ms", 7),
        ("X-Forwarded-For", "10.0.0.1", "x_forwarded_for", "10.0.0.1"),
        ("user-agent", "curl/8", "user_agent", "curl/8"),
        ("x_request_id", "a1", "request_id", "a1"),
        (":authority", "orders", "authority", "orders"),
        ("upstream_remote_address", "10.0.0.1:80", "upstream_host", "10.0.0.1:80"),
        ("upstreamCluster", "outbound|80||o", "upstream_cluster", "outbound|80||o"),
        ("sni", "o.example.com", "requested_server_name", "o.example.com"),
    ],
)
def test_common_spellings_of_a_key_are_one_field(
    key: str, value: object, field: str, read: object
) -> None:
    answer = _only({"response_code": 503, "response_flags": "UC", key: value})
    assert answer["kind"] == "access"
    assert answer["fields"][field] == read
    assert "partial" not in answer


@pytest.mark.parametrize("key", ["status", "http.response.status_code", "statusCode"])
@pytest.mark.parametrize("flags", ["upstream_response_flags", "responseFlags", "flags"])
def test_code_and_flags_are_found_under_their_common_names(key: str, flags: str) -> None:
    fields = _only({key: "503", flags: "UH"})["fields"]
    assert fields == {"response_code": 503, "response_flags": ["UH"]}


def test_nested_objects_are_read_by_their_whole_or_their_last_name() -> None:
    answer = _only(
        {
            "http": {"request": {"method": "GET"}, "response": {"status_code": 404}},
            "upstream": {"upstream_cluster": "outbound|80||o", "response_flags": "NR"},
        }
    )
    assert answer["format"] == "custom-json"
    assert answer["fields"] == {
        "method": "GET",
        "response_code": 404,
        "upstream_cluster": "outbound|80||o",
        "response_flags": ["NR"],
    }


def test_istios_own_key_wins_over_another_name_of_the_same_field() -> None:
    document = {"req_method": "POST", "method": None, "response_flags": "-", "user_id": None}
    assert _only(document)["fields"]["method"] is None


def test_what_has_no_field_is_shown_as_extra() -> None:
    answer = _only({"response_code": 200, "response_flags": "-", "grpc_status": 7})
    assert answer["extra"] == {"grpc_status": 7}
    assert answer["format"] == "custom-json"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("response_code", "lots"),
        ("response_code", True),
        ("response_code", 5030),
        ("response_flags", "via_upstream:-"),
        ("bytes_sent", -1),
        ("bytes_sent", 1.5),
        ("bytes_sent", 1 << 70),
        ("start_time", "2020-07-19T06:48:061Z"),
        ("start_time", "..."),
        ("upstream_host", "11:9080"),
        ("x_forwarded_for", "20"),
        ("protocol", "HTTP/7"),
        ("request_id", "9c41..."),
        ("user_agent", ["a"]),
    ],
)
def test_an_impossible_value_is_left_out_and_the_entry_is_partial(key: str, value: object) -> None:
    document: dict[str, object] = {
        "response_code": 503,
        "response_flags": "UC",
        "upstream_cluster": "c",
    }
    answer = _only(document | {key: value})
    assert answer["partial"]
    assert key not in answer["fields"]
    assert answer["fields"]["upstream_cluster"] == "c"


@pytest.mark.parametrize(
    "document",
    [
        {"level": "info", "method": "GET", "path": "/", "status": 200, "duration": 12},
        {"response_code": 200},
        {"scope": "access", "message": "connection complete", "src.addr": "1.2.3.4:5"},
        {"status": 502, "upstream_addr": "10.0.0.1:80", "request_method": "GET", "host": "a"},
        {"start_time": "%START_TIME%", "response_code": "%RESPONSE_CODE%", "method": "GET"},
        {"a": 1},
        {},
    ],
)
def test_another_programs_json_is_not_an_entry(document: dict[str, object]) -> None:
    assert _only(document)["kind"] == "reject"


def test_json_over_several_lines_is_one_entry() -> None:
    assert _only(json.dumps(NEW, indent=4)) == _only(NEW)


def test_cut_json_keeps_its_whole_pairs_only() -> None:
    text = json.dumps(NEW)
    answer = _only(text[: text.index("outbound|80") + 4])
    assert answer["partial"]
    assert answer["fields"]["duration_ms"] == 4
    assert "upstream_cluster" not in answer["fields"]
    number_cut = _only(text[: text.index("503") + 2])
    assert number_cut["kind"] == "reject"
    assert number_cut["reason"] == "broken-json"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(NEW).replace("}", ",}"),
        json.dumps(NEW)[1:-1],
        json.dumps(json.dumps(NEW))[1:-1],
        json.dumps(NEW).replace('"', "&quot;"),
        str(NEW),
        "\n".join(json.dumps(NEW)[at : at + 60] for at in range(0, 400, 60)),
    ],
    ids=["trailing comma", "no braces", "escaped", "entities", "a Python dict", "wrapped"],
)
def test_broken_json_gives_its_fields_and_says_partial(text: str) -> None:
    answer = _only(text)
    assert answer["partial"]
    assert answer["fields"] == _only(NEW)["fields"]


def test_json_behind_a_prefix_is_read_whole() -> None:
    answer = _only("access log of gateway 7: " + json.dumps(NEW))
    assert answer["fields"] == _only(NEW)["fields"]
    assert "partial" not in answer


def test_key_value_text_is_read_by_common_names_and_says_partial() -> None:
    answer = _only(
        "[2022-02-01T10:00:00.310Z] method=GET request=/a response_flag=UT status=504 "
        'user-agent="a b" total_time_ms=15001 cut_here=no'
    )
    assert answer["format"] == "custom-text"
    assert answer["partial"]
    assert answer["fields"] == {
        "start_time": "2022-02-01T10:00:00.310Z",
        "method": "GET",
        "path": "/a",
        "response_code": 504,
        "response_flags": ["UT"],
        "duration_ms": 15001,
        "user_agent": "a b",
    }


def test_a_shippers_time_is_not_taken_for_the_start_of_the_request() -> None:
    entry = {"response_code": 503, "response_flags": "UC", "@timestamp": "2022-02-01T10:00:00Z"}
    assert _only(entry)["fields"]["start_time"] == "2022-02-01T10:00:00Z"
    shipped = _only(entry | {"kubernetes": {"pod_name": "orders-7d4", "namespace_name": "shop"}})
    assert "start_time" not in shipped["fields"]
    assert shipped["identity"]["pod"] == "orders-7d4"


def test_a_metric_is_not_an_entry() -> None:
    metric = 'istio_requests_total{response_code="503",response_flags="UF",route="a"} 5'
    assert _only(metric)["reason"] == "unknown-layout"
