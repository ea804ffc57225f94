from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.envelopes import peel
from pipelines.events import (
    LogKind,
    control_event,
    plain_line,
    proxy_name,
    read_events,
    write_events,
)
from pipelines.formats import agent, envoy_log, istiod
from pipelines.identity import Identity
from pipelines.recognise import recognise
from pipelines.schema import CONTROL, CONTROL_KINDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = "2020-11-23T10:00:00.123456Z"
ISTIOD = Identity(pod="istiod-6b9f", namespace="istio-system", proxy_version="1.7.5", revision="a")
SIDECAR = Identity(pod="web-1", namespace="shop", container="istio-proxy", proxy_version="1.6.14")


def of_istiod(message: str) -> dict[str, Any] | None:
    fields = istiod.read(f"{TIME}\tinfo\tads\t{message}")
    assert fields is not None
    return control_event(fields, ISTIOD, "istiod")


@pytest.mark.parametrize(
    ("node", "connection", "name"),
    [
        ("web-1.shop", False, "web-1.shop"),
        ("web-1.shop-2", False, "web-1.shop-2"),  # a namespace may end in a number
        ("web-1.shop-2-17", True, "web-1.shop-2"),
        ("sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local-9", True, "web-1.shop"),
        (
            "router~10.1.2.3~gw-1.istio-system~istio-system.svc.cluster.local",
            False,
            "gw-1.istio-system",
        ),
        ("1", True, None),
        ("a~b", True, None),
        ("", True, None),
    ],
)
def test_node_and_connection_ids_become_pod_and_namespace(
    node: str, connection: bool, name: str | None
) -> None:
    assert proxy_name(node, connection=connection) == name


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "ADS: new connection for node:web-1.shop-3",
            {"kind": "connect", "proxy": "web-1.shop", "istiod": "istiod-6b9f", "version": "1.7.5"},
        ),
        (
            "ADS:CDS: REQ web-1.shop-3 version:2020-06-01T00:00:00Z/4",
            {"kind": "connect", "proxy": "web-1.shop", "push_version": "2020-06-01T00:00:00Z/4"},
        ),
        (
            'ADS: "10.1.2.3:41234" web-1.shop-3 terminated',
            {"kind": "disconnect", "proxy": "web-1.shop"},
        ),
        (
            "CDS: PUSH request for node:web-1.shop resources:7 size:2.9kB",
            {"kind": "push", "proxy": "web-1.shop", "type": "CDS", "request": True, "full": None},
        ),
        (
            "EDS: PUSH INC for node:web-1.shop resources:2 size:670B",
            {"kind": "push", "request": False, "full": False},
        ),
        (
            "XDS: Pushing:2020-11-23T10:00:00Z/12 Services:80 ConnectedEndpoints:250",
            {"kind": "push", "proxy": None, "full": True, "counter": 12, "proxies": 250},
        ),
        (
            "Push debounce stable[12] 1 for config A/b/c: 100ms since last change, 1s since last "
            "push, full=true",
            {"kind": "config-change", "reason": "A/b/c", "full": True, "counter": 12},
        ),
        (
            "ADS:LDS: ACK ERROR web-1.shop-9 Internal:bad",
            {"kind": "nack", "proxy": "web-1.shop", "type": "LDS", "error": "Internal:bad"},
        ),
        ("ADS:LDS: ACK web-1.shop-9 v n", {"kind": "ack", "proxy": "web-1.shop", "type": "LDS"}),
        ("Starting Istiod Server with primary cluster x", {"kind": "control-plane-start"}),
        ("version: 1.8.1-abc-Clean", {"kind": "control-plane-start", "version": "1.8.1"}),
        ("All caches have been synced up in 1ms", {"kind": "control-plane-ready"}),
        ("Istiod server stopped", {"kind": "control-plane-stop"}),
    ],
)
def test_istiods_lines_become_events(message: str, expected: dict[str, Any]) -> None:
    row = of_istiod(message)

    assert row is not None
    assert row.keys() == CONTROL.keys()
    assert row["kind"] in CONTROL_KINDS
    assert row["source"] == "istiod-log"
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    "message",
    ["Push Status: {}", "ADS: new connection for node:1", "CDS: SKIP for node: web-1.shop"],
)
def test_lines_that_change_nothing_give_no_event(message: str) -> None:
    assert of_istiod(message) is None


def test_a_line_whose_time_was_cut_off_gives_no_event() -> None:
    fields = istiod.read("ADS: new connection for node:web-1.shop-3")

    assert fields is not None
    assert control_event(fields, ISTIOD, "istiod") is None


@pytest.mark.parametrize(
    ("kind", "rest", "event"),
    [
        ("agent", "info\txdsproxy\tconnected to upstream XDS server: istiod:15012", "connect"),
        (
            "envoy",
            "warning\tenvoy config\tStreamAggregatedResources gRPC config stream closed: 13,",
            "disconnect",
        ),
        (
            "envoy",
            "warning\tenvoy config\tgRPC config for type.googleapis.com/"
            "envoy.config.listener.v3.Listener rejected: bad",
            "nack",
        ),
    ],
)
def test_the_proxys_own_lines_speak_of_the_proxy(kind: LogKind, rest: str, event: str) -> None:
    reader = agent if kind == "agent" else envoy_log
    fields = reader.read(f"{TIME}\t{rest}")
    assert fields is not None

    row = control_event(fields, SIDECAR, kind)

    assert row is not None
    assert (row["kind"], row["proxy"], row["source"]) == (event, "web-1.shop", f"{kind}-log")
    assert row["version"] is None, "a sidecar's version is not its control plane's"


def test_the_agents_own_secret_server_connects_no_proxy() -> None:
    fields = agent.read(f"{TIME}\tinfo\tads\tADS: new connection for node:web-1.shop-18")

    assert fields is not None
    assert control_event(fields, SIDECAR, "agent") is None


def test_events_are_read_as_they_are_documented() -> None:
    line = (
        '{"time":"2021-01-01T00:00:05Z","kind":"connect","proxy":"web-1.shop","version":"1.7.5",'
        '"revision":"default","type":null,"full":false}'
    )

    frame, errors = read_events([line, "", "\n"])

    assert errors == []
    assert frame.schema == pl.Schema(CONTROL)
    row = frame.row(0, named=True)
    assert row["time"] == datetime(2021, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert (row["kind"], row["proxy"], row["version"]) == ("connect", "web-1.shop", "1.7.5")
    assert (row["full"], row["source"]) == (False, "event")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not-json"),
        ("[" * 100_000, "not-json"),
        ("[1]", "not-an-object"),
        ('{"time":"2021-01-01T00:00:05Z"}', "unknown-kind"),
        ('{"time":"2021-01-01T00:00:05Z","kind":"explosion"}', "unknown-kind"),
        ('{"kind":"push"}', "bad-time"),
        ('{"time":"yesterday","kind":"push"}', "bad-time"),
        ('{"time":1e300,"kind":"push"}', "bad-time"),
        ('{"time":NaN,"kind":"push"}', "bad-time"),
        ('{"time":1' + "0" * 400 + ',"kind":"push"}', "bad-time"),
        ('{"time":true,"kind":"push"}', "bad-time"),
        ('{"time":0,"kind":"push","full":"yes"}', "bad-full"),
        ('{"time":0,"kind":"push","proxy":7}', "bad-proxy"),
    ],
)
def test_a_line_that_is_no_event_is_named_and_hurts_no_other(line: str, reason: str) -> None:
    good = '{"time":1609459205.5,"kind":"push","full":true}'

    frame, errors = read_events([good, line, good])

    assert frame.height == 2
    assert [(error.line, error.reason) for error in errors] == [(2, reason)]


events = st.fixed_dictionaries(
    {
        "time": st.integers(0, 4 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us)),
        "kind": st.sampled_from(CONTROL_KINDS),
        "proxy": st.none() | st.from_regex(r"[a-z]{1,9}\.[a-z]{1,9}", fullmatch=True),
        "version": st.none() | st.sampled_from(["1.6.14", "1.7.5"]),
        "revision": st.none() | st.just("canary"),
        "type": st.none() | st.sampled_from(["CDS", "EDS"]),
        "full": st.none() | st.booleans(),
        "request": st.none() | st.booleans(),
        "proxies": st.none() | st.integers(0, 5000),
        "reason": st.none() | st.text(min_size=1, max_size=30),
        "source": st.just("event"),
    }
)


@given(st.lists(events, max_size=20))
def test_events_written_and_read_again_are_the_same(rows: list[dict[str, Any]]) -> None:
    blank = dict.fromkeys(CONTROL)
    frame = pl.DataFrame([blank | row for row in rows], schema=CONTROL, orient="row")

    again, errors = read_events(write_events(frame))

    assert errors == []
    assert_frame_equal(again, frame)


@given(
    st.dictionaries(
        st.sampled_from(["time", "kind", "proxy", "full", "version", "proxies"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(["push", "connect", TIME])
        | st.lists(st.none(), max_size=1),
    )
)
def test_any_object_is_an_event_or_an_error_with_its_line(document: dict[str, Any]) -> None:
    frame, errors = read_events([json.dumps(document)])

    assert frame.height + len(errors) == 1
    assert all(error.line == 1 and error.reason for error in errors)
    assert set(frame["kind"]) <= set(CONTROL_KINDS)


def test_a_lone_surrogate_in_a_name_does_no_harm() -> None:
    frame, errors = read_events(['{"time":0,"kind":"nack","proxy":"a.b","error":"\\ud800"}'])

    assert errors == []
    assert frame["error"].to_list() == ["?"]


def test_the_time_of_an_event_is_kept_to_the_microsecond() -> None:
    line = json.dumps({"time": "2021-01-01T01:00:00.000001+01:00", "kind": "push"})

    frame, _ = read_events([line])

    assert frame["time"][0] - datetime(2021, 1, 1, tzinfo=UTC) == timedelta(microseconds=1)


def logged_lines() -> list[bytes]:
    """Every line of istiod in the recordings and the corpora."""
    data = Path(__file__).parents[1] / "data"
    lines: list[bytes] = []
    for path in sorted((data / "recordings").glob("*/istiod.log.zst")):
        with path.open("rb") as file:
            lines += zstandard.ZstdDecompressor().stream_reader(file).readall().splitlines()
    for path in sorted(data.glob("*/istiod*.jsonl")):
        lines += [json.loads(line)["raw"].encode() for line in path.read_text().splitlines()]
    return lines


def careful(value: bytes) -> dict[str, Any] | None:
    (record,) = peel(value)
    return recognise(record, kind="control-plane").event


def test_lines_read_at_once_give_what_the_careful_path_gives() -> None:
    lines = logged_lines()
    fast = [(value, row) for value in lines if (row := plain_line(value)) is not None]

    assert len(fast) > len(lines) / 3
    assert [value for value, row in fast if careful(value) != row] == []


@given(
    st.sampled_from(
        ["ADS: new connection for node:{}-7", "{} PUSH request for node:web-1.shop {}"]
    ),
    st.text("abz09-. CDSE:~\t\x00é", max_size=12),
    st.sampled_from(["", " resources:6 size:2.9kB", "resources:1 size:10B cached:1/1", "x"]),
)
def test_lines_of_nearly_that_shape_are_read_alike_or_not_at_all(
    shape: str, name: str, rest: str
) -> None:
    value = f"2026-11-23T05:03:42.358763Z\tinfo\tads\t{shape.format(name, rest)}".encode()
    row = plain_line(value)

    assert row is None or row == careful(value)
