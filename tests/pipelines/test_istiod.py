from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.formats import istiod

CORPUS = Path(__file__).parent.parent / "data" / "control" / "istiod.jsonl"
TIME = "2020-11-23T10:00:00.123456Z"


def corpus() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CORPUS.read_text().splitlines()]


def said(message: str, scope: str = "ads", level: str = "info") -> dict[str, Any]:
    fields = istiod.read(f"{TIME}\t{level}\t{scope}\t{message}")
    assert fields is not None
    return fields


@pytest.mark.parametrize("case", corpus(), ids=range(len(corpus())))
def test_every_posted_line_gives_the_fields_a_person_reads_off_it(case: dict[str, Any]) -> None:
    fields = istiod.read(case["raw"])

    assert fields is not None
    time = fields["time"]
    printed = fields | {"time": time and f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"}
    assert {key: printed.get(key) for key in case["expect"]} == case["expect"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "XDS: Pushing:2020-11-23T10:00:00Z/12 Services:80 ConnectedEndpoints:250",
            {"version": "2020-11-23T10:00:00Z/12", "services": 80, "full": True},
        ),
        (
            "XDS: Pushing:2022-01-01T00:00:00Z/3 Services:5 ConnectedEndpoints:2 "
            "Version:2022-01-01T00:00:00Z/3",
            {"version": "2022-01-01T00:00:00Z/3", "connected_endpoints": 2, "full": True},
        ),
        (
            "XDS: Pushing Services:7 ConnectedEndpoints:11 Version:2026-01-01T00:00:00Z/9",
            {"version": "2026-01-01T00:00:00Z/9", "connected_endpoints": 11, "full": True},
        ),
        (
            "XDS:EDSInc Pushing:2020-06-01T00:00:00Z/4 Services:map[a:{}] ConnectedEndpoints:9",
            {"version": "2020-06-01T00:00:00Z/4", "connected_endpoints": 9, "full": False},
        ),
        (
            "XDS: Incremental Pushing:0 ConnectedEndpoints:2",
            {"version": "0", "connected_endpoints": 2, "full": False},
        ),
    ],
)
def test_pushes_of_every_version_tell_their_reach(message: str, expected: dict[str, Any]) -> None:
    fields = said(message)

    assert fields["event"] == "push"
    assert {key: fields.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "CDS: PUSH for node:web-1.shop clusters:83 services:70 version:2020-06-01T00:00:00Z/4",
            {"type": "CDS", "clusters": 83, "services": 70, "version": "2020-06-01T00:00:00Z/4"},
        ),
        ("RDS: PUSH for node:web-1.shop routes:12", {"type": "RDS", "routes": 12}),
        ("NDS: PUSH for node:web-1.shop resources:1 size:2.1kB", {"type": "NDS", "resources": 1}),
        (
            "LDS: PUSH request for node:web-1.shop resources:3 size:9.5kB",
            {"type": "LDS", "request": True, "size": "9.5kB"},
        ),
        (
            "EDS: PUSH INC for node:web-1.shop resources:2 size:670B empty:1 cached:0/2",
            {"type": "EDS", "full": False, "empty": 1, "cached": "0/2"},
        ),
        (
            "CDS: PUSH request for node:web-1.shop resources:23 removed:4 size:24.2kB",
            {"type": "CDS", "removed": 4, "request": True},
        ),
    ],
)
def test_pushes_to_one_proxy_tell_what_they_hold(message: str, expected: dict[str, Any]) -> None:
    fields = said(message)

    assert fields["event"] == "push"
    assert fields["proxy_id"] == "web-1.shop"
    assert {key: fields.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (": 100ms since last change, 1.5s since last push, full=true", {"full": True}),
        (
            " for config Secret/a/b and 2 more configs: 101.2ms since last change, 2m3.1s since "
            "last push, full=false",
            {"config": "Secret/a/b and 2 more configs", "full": False},
        ),
        (
            " for reason endpoint:3 and config:1: 100.17ms since last change, 100.17ms since last "
            "push, full=true",
            {"reason": "endpoint:3 and config:1", "full": True},
        ),
        (
            " for config ConfigMap/istio-system/istio: 100.17ms since last change, 90µs since last "
            "push, forced=false",
            {"config": "ConfigMap/istio-system/istio", "forced": False},
        ),
    ],
)
def test_a_debounce_tells_its_reason_and_whether_it_is_full(
    rest: str, expected: dict[str, Any]
) -> None:
    fields = said(f"Push debounce stable[41] 7{rest}")

    assert (fields["event"], fields["debounce_id"], fields["debounced_events"]) == (
        "debounce",
        41,
        7,
    )
    assert {key: fields.get(key) for key in expected} == expected


def test_forced_is_not_taken_for_full() -> None:
    fields = said(
        "Push debounce stable[1] 1: 100ms since last change, 1s since last push, forced=false"
    )

    assert "full" not in fields


@pytest.mark.parametrize(
    ("message", "proxy", "error"),
    [
        (
            "ADS:LDS: ACK ERROR 10.1.2.3:4 sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local-9 "
            "(web-1.shop) Internal:bad listener",
            "sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local-9",
            "Internal:bad listener",
        ),
        ("ADS:LDS: ACK ERROR web-1.shop-9 Internal:bad", "web-1.shop-9", "Internal:bad"),
        ("dADS:LDS: ACK ERROR web-1.shop-9 Internal:bad", "web-1.shop-9", "Internal:bad"),
        ("ADS: ACK ERROR web-1.shop-9 Internal:bad", "web-1.shop-9", "Internal:bad"),
    ],
)
def test_refusals_of_every_version_name_proxy_and_error(
    message: str, proxy: str, error: str
) -> None:
    fields = said(message, level="warn")

    assert (fields["event"], fields["proxy_id"], fields["error"]) == ("nack", proxy, error)


@pytest.mark.parametrize(
    "message",
    [
        "ADS:CDS: REQ 10.1.2.3:4 sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local-9 1.2s "
        "version:2020-06-01T00:00:00Z/4",
        "ADS:CDS: REQ sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local-9 "
        "version:2020-06-01T00:00:00Z/4",
    ],
)
def test_before_1_8_a_first_request_is_the_connection(message: str) -> None:
    fields = said(message)

    assert fields["event"] == "connect"
    assert fields["proxy_id"] == "sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local-9"
    assert fields["version"] == "2020-06-01T00:00:00Z/4"


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        ("terminated", None),
        ("terminated with stream closed", None),
        ("terminated with error: rpc error: code = Unavailable", "rpc error: code = Unavailable"),
    ],
)
def test_a_disconnect_is_told_in_three_ways(rest: str, error: str | None) -> None:
    fields = said(f'ADS: "10.1.2.3:41234" web-1.shop-3 {rest}')

    assert (fields["event"], fields["proxy_id"]) == ("disconnect", "web-1.shop-3")
    assert fields.get("error") == error


@pytest.mark.parametrize(
    ("message", "lifecycle"),
    [
        ("version: 1.7.5-77a3b9b7-Clean", "start"),
        ("Staring Istiod Server with primary cluster Kubernetes", "start"),
        ("Starting Istiod Server with primary cluster Kubernetes", "start"),
        ("All caches have been synced up, triggering a push", "ready"),
        ("All caches have been synced up in 1.01ms, marking server ready", "ready"),
        ("Istiod server stopped", "stop"),
    ],
)
def test_the_life_of_an_istiod_is_seen(message: str, lifecycle: str) -> None:
    fields = istiod.read(f"{TIME}\tinfo\t{message}")

    assert fields is not None
    assert fields["lifecycle"] == lifecycle


def test_the_banner_names_the_version_without_its_commit() -> None:
    fields = istiod.read(f"{TIME}\tinfo\tversion: 1.8.0-rc.1-5cd7f5b-Clean")

    assert fields is not None
    assert fields["istio_version"] == "1.8.0-rc.1"


def test_json_with_stackdriver_keys_reads_like_plain_json() -> None:
    message = "ADS: new connection for node:web-1.shop-3"
    plain = {"level": "warn", "time": TIME, "scope": "ads", "msg": message}
    stackdriver = {"severity": "WARNING", "timestamp": TIME, "logger": "ads", "message": message}

    assert (
        istiod.read_json(stackdriver) == istiod.read_json(plain) == istiod.read(json.dumps(plain))
    )
    assert istiod.read_json(plain) is not None


def test_klog_lines_are_istiods_without_a_date() -> None:
    fields = istiod.read(
        "I1123 10:00:00.123456       1 leaderelection.go:248] successfully acquired lease a/b"
    )

    assert fields is not None
    assert (fields["time"], fields["scope"], fields["event"]) == (None, "klog", "startup")


@pytest.mark.parametrize(
    "line",
    [
        "",
        '    "pilot_eds_no_instances": {',
        '  node:<id:"sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local" cluster:"web.shop"',
        "error adding listener: ADS: new connection for node:web-1.shop-3 is quoted inside",
        "}",
        f"{TIME}\tinfo\txdsproxy\tconnected to upstream XDS server: istiod.istio-system.svc:15012",
        f"{TIME}\twarning\tenvoy config\tStreamAggregatedResources gRPC config stream closed: 13,",
        f"{TIME}\tinfo\tEnvoy proxy is ready",
        '[2020-11-23T10:00:00.310Z] "GET / HTTP/1" 200 - "-" 0 12 3 2 "-" "c" "i" "a" "h" o - a b',
        '{"level":"info","time":"yesterday","msg":"hello"}',
    ],
)
def test_continuations_and_other_programs_lines_are_left_alone(line: str) -> None:
    assert istiod.read(line) is None


@pytest.mark.parametrize(
    "head",
    [
        "",
        "ads\t",
        "ads     ",
        "info\tads\t",
        "info    ads     ",
        "00:00.123456Z\tinfo\tads\t",
        "Z info    ads     ",
    ],
)
def test_a_line_cut_at_its_beginning_keeps_what_is_certain(head: str) -> None:
    fields = istiod.read(head + "CDS: PUSH for node:web-1.shop resources:7 size:2.9kB")

    assert fields is not None
    assert (fields["time"], fields["event"], fields["resources"]) == (None, "push", 7)
    assert fields["scope"] == ("ads" if "ads" in head else None)
    assert fields["level"] == ("info" if "info" in head else None)


def test_the_time_keeps_its_microseconds_and_becomes_utc() -> None:
    fields = istiod.read("2024-07-17T19:49:42.005279+08:00\tinfo\tads\tPush Status: {}")

    assert fields is not None
    assert fields["time"] == datetime(2024, 7, 17, 11, 49, 42, 5279, tzinfo=UTC)


@given(st.text(max_size=300), st.sampled_from([case["raw"] for case in corpus()]), st.data())
def test_no_mangled_line_raises(noise: str, line: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line)))

    for mangled in (noise, line[:at], line[at:], line[:at] + noise + line[at:], noise + line):
        fields = istiod.read(mangled)
        assert fields is None or {"time", "level", "scope", "event"} <= fields.keys()


@pytest.mark.parametrize("unit", ["a ", "ADS: ", "for config ", "x:1 ", '{"a":', "version:", "\tx"])
def test_a_line_of_a_megabyte_is_read_in_linear_time(unit: str) -> None:
    filler = unit * (1_000_000 // len(unit))
    heads = (f"{TIME}\tinfo\tads\t", "Push debounce stable[1] 1 for config ", "ADS:CDS: REQ ")

    assert [istiod.read(head + filler) is not None for head in heads] == [True, True, True]
    assert istiod.read("+" + filler) is None
