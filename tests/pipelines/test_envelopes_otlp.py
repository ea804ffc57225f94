"""OpenTelemetry batches, as protobuf and as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from pipelines.envelopes import Identity, Record, peel

LINE = '[2020-11-23T10:00:00.308Z] "GET /a HTTP/1.1" 503 NR "-" "-" 0 0 0 - "-" "okhttp/3" "0f1e"'
TIME = datetime(2020, 11, 23, 10, 0, 0, 310123, UTC)
NANOS = 1606125600310123456
ENTRY = {"start_time": "2020-11-23T10:00:00.308Z", "response_code": "503", "response_flags": "NR"}


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def pairs(attributes: dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=text(value)) for key, value in attributes.items()]


def record(
    body: AnyValue | None, attributes: dict[str, str] | None = None, nanos: int = NANOS
) -> LogRecord:
    return LogRecord(time_unix_nano=nanos, body=body, attributes=pairs(attributes or {}))


def batch(resource: dict[str, str], *records: LogRecord) -> ResourceLogs:
    scopes = [ScopeLogs(log_records=records)]
    return ResourceLogs(resource=Resource(attributes=pairs(resource)), scope_logs=scopes)


def pod(name: str) -> dict[str, str]:
    return {
        "k8s.namespace.name": "shop",
        "k8s.pod.name": name,
        "k8s.container.name": "istio-proxy",
        "k8s.node.name": "node-1",
        "k8s.pod.labels.istio.io/rev": "default",
        "container.image.name": "istio/proxyv2",
        "container.image.tag": "1.7.5",
    }


def as_json(data: LogsData) -> bytes:
    """The JSON mapping; OTLP's own deviations from protobuf's do not touch these fields."""
    document: dict[str, Any] = MessageToDict(data)
    return json.dumps(document).encode()


def both(data: LogsData) -> list[Record]:
    """The records of ``data``, after checking that either encoding gives the same ones."""
    from_protobuf, from_json = peel(data.SerializeToString()), peel(as_json(data))
    assert {item.envelope.partition("/")[0] for item in from_protobuf} == {"otlp-proto"}
    assert {item.envelope.partition("/")[0] for item in from_json} == {"otlp-json"}
    for one, other in zip(from_protobuf, from_json, strict=True):
        assert (one.line, one.document, one.identity, one.time, one.partial, one.stream) == (
            (other.line, other.document, other.identity, other.time, other.partial, other.stream)
        )
    return from_protobuf


def test_a_batch_of_many_pods_gives_every_record_its_own_pod() -> None:
    data = LogsData(
        resource_logs=[
            batch(pod("web-6d9f8c7b5d-x7k2p"), record(text(LINE + "\n")), record(text("other"))),
            batch(pod("orders-db-0"), record(text(LINE))),
        ]
    )
    records = both(data)
    assert [item.line for item in records] == [LINE, "other", LINE]
    assert [item.identity.workload for item in records] == ["web", "web", "orders-db"]
    assert records[2].identity == Identity(
        pod="orders-db-0",
        namespace="shop",
        workload="orders-db",
        node="node-1",
        container="istio-proxy",
        proxy_version="1.7.5",
        revision="default",
    )
    assert records[0].time == TIME


def test_owners_labels_and_files_name_the_workload() -> None:
    name = {"k8s.pod.name": "web-6d9f8c7b5d-x7k2p"}
    path = "/var/log/pods/shop_orders-db-0_3f0c/istio-proxy/0.log"
    records = both(
        LogsData(
            resource_logs=[
                batch(name | {"k8s.deployment.name": "storefront"}, record(text(LINE))),
                batch(name | {"k8s.pod.labels.app": "shopfront"}, record(text(LINE))),
                batch({"log.file.path": path}, record(text(LINE))),
                batch({"node_name": "sidecar~10.0.0.1~web-0.shop~shop.svc"}, record(text(LINE))),
            ]
        )
    )
    workloads = [item.identity.workload for item in records]
    assert workloads == ["storefront", "shopfront", "orders-db", "web"]
    assert [item.identity.namespace for item in records] == [None, None, "shop", "shop"]


def test_attributes_that_are_an_entry_become_the_document() -> None:
    data = LogsData(resource_logs=[batch(pod("web-0"), record(None, ENTRY))])
    (found,) = both(data)
    assert (found.line, found.document, found.identity.pod) == (None, ENTRY, "web-0")


def test_a_whole_line_in_the_body_goes_before_attributes() -> None:
    data = LogsData(
        resource_logs=[
            batch({}, record(text(LINE), ENTRY), record(text("GET /a"), ENTRY)),
        ]
    )
    whole, short = both(data)
    assert (whole.line, whole.document) == (LINE, None)
    assert (short.line, short.document) == (None, ENTRY)


def test_a_body_may_be_a_map_or_bytes() -> None:
    fluent_bit = KeyValueList(values=[KeyValue(key="log", value=text(LINE))])
    nested = AnyValue(kvlist_value=fluent_bit)
    entry = AnyValue(kvlist_value=KeyValueList(values=pairs(ENTRY)))
    raw = AnyValue(bytes_value=LINE.encode())
    data = LogsData(resource_logs=[batch({}, record(nested), record(entry), record(raw))])
    records = both(data)
    assert [item.line for item in records] == [LINE, None, LINE]
    assert records[1].document == ENTRY


def test_the_body_may_hold_another_envelope() -> None:
    framed = f"2020-11-23T10:00:00.310123456Z stdout F {LINE}"
    (found,) = both(LogsData(resource_logs=[batch(pod("web-0"), record(text(framed), nanos=0))]))
    assert (found.line, found.time, found.envelope) == (LINE, TIME, "otlp-proto/cri")


def test_pieces_are_marked_and_keyed_by_their_stream() -> None:
    data = LogsData(
        resource_logs=[
            batch(
                pod("web-0"),
                record(text(LINE[:20]), {"logtag": "P", "log.iostream": "stdout"}),
                record(text(LINE[20:]), {"logtag": "F", "log.iostream": "stdout"}),
            )
        ]
    )
    first, second = both(data)
    assert (first.partial, second.partial) == (True, False)
    assert first.stream == second.stream
    assert first.line == LINE[:20]


def test_one_odd_record_leaves_its_neighbours_alone() -> None:
    deep = text("x")
    for _ in range(20):
        deep = AnyValue(array_value=ArrayValue(values=[deep]))
    data = LogsData(resource_logs=[batch({}, record(None), record(deep), record(text(LINE)))])
    records = both(data)
    assert [item.line for item in records] == [None, None, LINE]
    assert [item.reason for item in records] == ["empty", "empty", None]


@pytest.mark.parametrize(
    "document",
    [
        {"resourceLogs": []},
        {"resourceLogs": [None, 7, {"resource": 7, "scopeLogs": {"logRecords": []}}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": "x"}, 7]}]},
    ],
)
def test_json_without_records_is_empty(document: dict[str, Any]) -> None:
    assert [item.reason for item in peel(json.dumps(document).encode())] == ["empty"]


def test_json_of_wrong_types_loses_only_what_is_wrong() -> None:
    records = [
        {"timeUnixNano": {}, "body": 7, "attributes": 7},
        {"timeUnixNano": "x", "body": {"stringValue": LINE}, "attributes": [7, {"key": 7}]},
        {"timeUnixNano": NANOS, "body": {"bytesValue": "a"}, "attributes": [{"key": "a"}]},
        {"body": {"intValue": "7"}},
    ]
    value = {"resourceLogs": [{"instrumentationLibraryLogs": [{"logRecords": records}]}]}
    found = peel(json.dumps(value).encode())
    assert [item.line for item in found] == [None, LINE, None, None]
    assert found[1].time is None


def test_traces_and_metrics_are_not_taken_for_logs() -> None:
    traces = ExportTraceServiceRequest()
    span = traces.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = b"0" * 16, b"1" * 8, ""
    span.attributes.add(key="http.status_code").value.int_value = 503
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    for message in (traces, metrics):
        for found in peel(message.SerializeToString()):
            assert not found.envelope.startswith("otlp")


def test_a_line_that_begins_with_a_newline_is_not_protobuf() -> None:
    (found,) = peel(b"\n" + LINE.encode())
    assert (found.line, found.envelope) == (LINE, "bare")
