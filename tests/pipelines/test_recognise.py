"""What a record is: who wrote it, whether it is an entry, and why it is rejected."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.batch import Kind
from pipelines.envelopes import Identity, Record
from pipelines.explain import explain, print_time, shape
from pipelines.recognise import MAX_LINE, Entry, recognise

ACCESS = (
    '[2022-02-01T10:00:00.310Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" '
    '"-" - - 10.4.1.9:8081 10.4.2.7:38748 - -'
)
CONNECT = "2026-10-09T22:17:41.418293Z\tinfo\tads\tADS: new connection for node:orders-7d4.shop-3"
UPSTREAM = (
    "2022-07-15T23:16:16.718426Z\tinfo\txdsproxy\tconnected to upstream XDS server: "
    "istiod.istio-system.svc:15012"
)
CLOSED = (
    "2021-04-06T10:49:31.709949Z\twarning\tenvoy config\tStreamAggregatedResources gRPC config "
    "stream closed: 13, "
)
PROXY = Identity(pod="orders-7d4", namespace="shop", container="istio-proxy")
ISTIOD = Identity(pod="istiod-5d9", namespace="istio-system", container="discovery")


def _kind(line: str, identity: Identity | None = None, kind: Kind = "auto") -> str:
    record = Record(line=line) if identity is None else Record(line=line, identity=identity)
    return recognise(record, kind=kind).kind


@pytest.mark.parametrize("kind", ["access", "control-plane", "auto"])
def test_an_access_log_entry_is_found_whatever_the_topic_is_said_to_hold(kind: Kind) -> None:
    assert _kind(ACCESS, kind=kind) == "access"


@pytest.mark.parametrize(
    ("identity", "kind", "expected"),
    [
        (ISTIOD, "auto", "istiod"),
        (None, "auto", "istiod"),
        (None, "control-plane", "istiod"),
        (PROXY, "auto", "agent"),
        (PROXY, "control-plane", "agent"),
        (None, "access", "agent"),
    ],
)
def test_the_agents_own_ads_lines_are_never_taken_for_istiods(
    identity: Identity | None, kind: Kind, expected: str
) -> None:
    assert _kind(CONNECT, identity, kind) == expected


def test_agent_and_envoy_lines_are_no_rejects_and_give_events() -> None:
    connected = recognise(Record(line=UPSTREAM, identity=PROXY))
    assert (connected.kind, connected.format) == ("agent", "agent-text")
    assert connected.event is not None
    assert (connected.event["kind"], connected.event["proxy"]) == ("connect", "orders-7d4.shop")
    closed = recognise(Record(line=CLOSED, identity=PROXY))
    assert (closed.kind, closed.format) == ("envoy", "envoy-log-text")
    assert closed.event is not None
    assert closed.event["kind"] == "disconnect"


def test_an_istiod_document_is_recognised_by_its_keys() -> None:
    entry = recognise(
        Record(
            document={
                "level": "info",
                "time": "2021-04-06T10:04:24.047569Z",
                "scope": "ads",
                "msg": "ADS: new connection for node:orders-7d4.shop-4",
            },
            identity=ISTIOD,
        )
    )
    assert (entry.kind, entry.format) == ("istiod", "istiod-json")
    assert entry.event is not None
    assert entry.event["proxy"] == "orders-7d4.shop"


def test_a_control_plane_event_is_taken_as_it_is_unless_the_topic_holds_access_logs() -> None:
    document = {"time": "2026-10-09T22:17:41Z", "kind": "push", "full": True}
    entry = recognise(Record(document=document), kind="control-plane")
    assert (entry.kind, entry.format) == ("istiod", "event")
    assert entry.event is not None
    assert entry.event["full"] is True
    assert recognise(Record(document=document), kind="access").kind == "reject"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"hello", "unknown-layout"),
        (b'{"hello": "world"}', "unknown-keys"),
        (b'{"hello": ', "broken-json"),
        (b'{"a":' * 100_000, "nested-too-deep"),
        (b"\x00\x01\x02\x03" * 50, "binary"),
        (b"x" * (MAX_LINE + 1), "too-long"),
        (b"x" * 1_000_000, "too-long"),
        (ACCESS.encode() + b" x" * MAX_LINE, "too-long"),
        (b'{"response_flags":"-","path":"' + b"x" * 1_000_000 + b'"}', "too-long"),
        (
            b"2023-08-28T11:49:36.808574Z  INFO inbound{id=d6 peer_ip=10.4.1.28}: "
            b"ztunnel::proxy::inbound: got CONNECT request to 10.4.1.24:9080",
            "ztunnel",
        ),
        (
            b"2024-05-01T10:00:00.000000Z\tinfo\taccess\tconnection complete\t"
            b'src.addr=10.4.1.2:5 dst.addr=10.4.1.3:15008 bytes_sent=9 duration="12ms"',
            "ztunnel",
        ),
    ],
)
def test_what_fits_nothing_is_rejected_with_a_stable_reason(value: bytes, reason: str) -> None:
    (answer,) = explain(value)
    assert (answer["kind"], answer["format"], answer["fields"]) == ("reject", None, {})
    assert answer["reason"] == reason


def test_the_reason_of_an_unpeelable_record_is_passed_on() -> None:
    entry = recognise(Record(reason="compressed", identity=PROXY))
    assert (entry.kind, entry.reason, entry.identity) == ("reject", "compressed", PROXY)


def test_a_piece_of_a_line_is_read_as_partial() -> None:
    entry = recognise(Record(line=ACCESS[:80], partial=True))
    assert entry.kind == "access"
    assert entry.partial
    assert entry.fields["response_flags"] == ["NR"]


def test_who_wrote_a_line_is_kept_and_shown() -> None:
    entry = recognise(Record(line=ACCESS, identity=PROXY))
    assert entry.identity == PROXY
    assert shape(entry)["identity"] == {
        "pod": "orders-7d4",
        "namespace": "shop",
        "container": "istio-proxy",
    }


def test_an_explained_entry_has_its_fields_in_schema_order() -> None:
    (answer,) = explain(ACCESS.encode())
    assert list(answer) == ["kind", "format", "fields", "reason"]
    assert list(answer["fields"])[:6] == [
        "start_time",
        "method",
        "path",
        "protocol",
        "response_code",
        "response_flags",
    ]


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        (0, "2022-02-01T10:00:00Z"),
        (3, "2022-02-01T10:00:00.310Z"),
        (6, "2022-02-01T10:00:00.310400Z"),
        (9, "2022-02-01T10:00:00.310400Z"),
    ],
)
def test_a_time_is_printed_with_its_precision(precision: int, text: str) -> None:
    assert print_time(datetime(2022, 2, 1, 10, 0, 0, 310400, UTC), precision) == text


def test_what_json_has_no_word_for_is_shown_as_text() -> None:
    entry = Entry("access", "custom-json", {"response_code": 200, "extra": {"blob": b"\x00"}})
    assert shape(entry)["extra"] == {"blob": "b'\\x00'"}


def test_a_reject_has_no_fields() -> None:
    assert shape(Entry("reject", reason="empty")) == {
        "kind": "reject",
        "format": None,
        "fields": {},
        "reason": "empty",
    }
