"""What the shippers people run write around one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pipelines.envelopes import Identity, Record, peel

LINE = (
    '[2020-11-23T10:00:00.308Z] "GET /a HTTP/1.1" 503 NR "-" "-" 0 0 0 - "-" "okhttp/3" "0f1e" '
    '"orders" "-" - - 10.0.9.3:80 10.4.2.7:41514 - default'
)
ENTRY = {"start_time": "2020-11-23T10:00:00.308Z", "response_code": 503, "response_flags": "NR"}
WRITTEN = "2020-11-23T10:00:00.310123456Z"
TIME = datetime(2020, 11, 23, 10, 0, 0, 310123, UTC)
POD = "web-6d9f8c7b5d-x7k2p"
STATUS = '{"version":"1.7.5","revision":"canary"}'

FLUENT_BIT_KUBERNETES = {
    "pod_name": POD,
    "namespace_name": "shop",
    "pod_id": "3f0c",
    "labels": {
        "app": "web",
        "istio.io/rev": "default",
        "pod-template-hash": "6d9f8c7b5d",
        "service.istio.io/canonical-name": "storefront",
    },
    "annotations": {"sidecar.istio.io/status": STATUS},
    "host": "node-1",
    "container_name": "istio-proxy",
    "docker_id": "9ab0",
    "container_hash": "istio/proxyv2@sha256:0a1b",
    "container_image": "docker.io/istio/proxyv2:1.7.5-distroless",
}
FLUENTD = {
    "log": LINE + "\n",
    "stream": "stdout",
    "docker": {"container_id": "9ab0"},
    "kubernetes": {
        "container_name": "istio-proxy",
        "namespace_name": "shop",
        "pod_name": POD,
        "container_image": "istio/proxyv2:1.7.5",
        "host": "node-1",
        "labels": {
            "app": "web",
            "istio_io/rev": "default",
            "service_istio_io/canonical-name": "storefront",
        },
        "master_url": "https://10.0.0.1:443/api",
        "namespace_id": "77aa",
    },
    "time": "2020-11-23T10:00:00.310123+0000",
}
FILEBEAT = {
    "@timestamp": "2020-11-23T10:00:00.310123Z",
    "@metadata": {"beat": "filebeat", "type": "_doc", "version": "7.10.0"},
    "message": LINE,
    "stream": "stdout",
    "log": {
        "offset": 123456,
        "file": {"path": f"/var/log/containers/{POD}_shop_istio-proxy-9.log"},
    },
    "input": {"type": "container"},
    "container": {"id": "9ab0", "image": {"name": "istio/proxyv2:1.7.5"}},
    "kubernetes": {
        "container": {"name": "istio-proxy"},
        "pod": {"name": POD, "uid": "3f0c", "ip": "10.4.2.7"},
        "namespace": "shop",
        "node": {"name": "node-1"},
        "labels": {"istio_io/rev": "default", "service_istio_io/canonical-name": "storefront"},
        "replicaset": {"name": "web-6d9f8c7b5d"},
    },
    "agent": {"type": "filebeat", "version": "7.10.0"},
    "ecs": {"version": "1.6.0"},
    "host": {"name": "filebeat-x"},
}
OLD_FILEBEAT = {
    "@timestamp": "2020-11-23T10:00:00.310123Z",
    "beat": {"name": "filebeat-x", "version": "6.8.0"},
    "message": LINE,
    "source": "/var/lib/docker/containers/9ab0/9ab0-json.log",
    "stream": "stdout",
    "kubernetes": {
        "container": {"name": "istio-proxy", "image": "istio/proxyv2:1.7.5"},
        "pod": {"name": POD},
        "namespace": "shop",
        "node": {"name": "node-1"},
        "labels": {
            "istio": {"io/rev": "default"},
            "service": {"istio": {"io/canonical-name": "storefront"}},
        },
    },
}
VECTOR = {
    "file": f"/var/log/pods/shop_{POD}_3f0c/istio-proxy/0.log",
    "kubernetes": {
        "container_image": "istio/proxyv2:1.7.5",
        "container_name": "istio-proxy",
        "namespace_labels": {"istio-injection": "enabled"},
        "pod_ip": "10.4.2.7",
        "pod_labels": {
            "istio.io/rev": "default",
            "service.istio.io/canonical-name": "storefront",
        },
        "pod_name": POD,
        "pod_namespace": "shop",
        "pod_node_name": "node-1",
        "pod_owner": "ReplicaSet/web-6d9f8c7b5d",
    },
    "message": LINE,
    "source_type": "kubernetes_logs",
    "stream": "stdout",
    "timestamp": WRITTEN,
}
FLUENT_BIT: dict[str, Any] = {
    "@timestamp": 1606125600.310123,
    "time": WRITTEN,
    "stream": "stdout",
    "_p": "F",
    "log": LINE,
    "kubernetes": FLUENT_BIT_KUBERNETES,
}
EVERYTHING = Identity(
    pod=POD,
    namespace="shop",
    workload="storefront",
    node="node-1",
    container="istio-proxy",
    proxy_version="1.7.5",
    revision="default",
)


def only(value: object) -> Record:
    message = value if isinstance(value, bytes) else json.dumps(value).encode()
    (record,) = peel(message)
    return record


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        ("fluent-bit", FLUENT_BIT),
        ("fluentd", FLUENTD),
        ("filebeat", FILEBEAT),
        ("filebeat", OLD_FILEBEAT),
        ("vector", VECTOR),
    ],
)
def test_every_shipper_gives_the_same_line_time_and_identity(
    envelope: str, message: dict[str, Any]
) -> None:
    record = only(message)
    assert record.line == LINE
    assert record.document is None
    assert record.identity == EVERYTHING
    assert record.time == TIME
    assert record.envelope == envelope
    assert not record.partial
    assert record.reason is None


def test_fluent_bits_messagepack_says_the_same_as_its_json() -> None:
    record = only(msgspec.msgpack.encode(FLUENT_BIT))
    assert (record.line, record.identity, record.time) == (LINE, EVERYTHING, TIME)


@pytest.mark.parametrize("key", ["ownerReferences", "ownerrefs", "owner_references"])
@pytest.mark.parametrize(
    ("kind", "name", "workload"),
    [
        ("ReplicaSet", "storefront-6d9f8c7b5d", "storefront"),
        ("Job", "report-27812345", "report"),
        ("Job", "migrate", "migrate"),
        ("StatefulSet", "orders-db", "orders-db"),
        (7, "", "web"),
    ],
)
def test_owner_references_name_the_workload(
    key: str, kind: object, name: str, workload: str
) -> None:
    kubernetes = {"pod_name": POD, key: [{"kind": kind, "name": name}]}
    assert only({"log": LINE, "kubernetes": kubernetes}).identity.workload == workload


def test_filebeats_owner_objects_name_the_workload() -> None:
    kubernetes = {"pod": {"name": POD}, "replicaset": {"name": "storefront-6d9f8c7b5d"}}
    message = {"message": LINE, "kubernetes": kubernetes}
    assert only(message).identity.workload == "storefront"
    kubernetes["deployment"] = {"name": "shopfront"}
    assert only(message).identity.workload == "shopfront"


def test_fluent_bits_regex_parser_puts_the_line_under_message() -> None:
    message = {k: v for k, v in FLUENT_BIT.items() if k not in ("log", "_p")}
    record = only(message | {"message": LINE, "logtag": "F"})
    assert (record.line, record.identity, record.envelope) == (LINE, EVERYTHING, "fluent-bit")


@pytest.mark.parametrize(
    "stamp", [1606125600.310123, 1606125600310.123, 1606125600310123, 1606125600310123456, WRITTEN]
)
def test_the_shippers_time_may_be_text_or_a_count_of_any_unit(stamp: float | str) -> None:
    time = only({"@timestamp": stamp, "log": LINE, "kubernetes": {}}).time
    assert time is not None
    assert abs((time - TIME).total_seconds()) < 1e-3


@pytest.mark.parametrize(
    "stamp", [None, True, -1, 1e300, "yesterday", "", {}, "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_is_none_is_left_out_and_the_line_is_kept(stamp: object) -> None:
    record = only({"@timestamp": stamp, "log": LINE, "kubernetes": {}})
    assert (record.line, record.time) == (LINE, None)


def test_fields_merged_at_the_top_level_are_the_document_with_identity() -> None:
    message = {k: v for k, v in FLUENT_BIT.items() if k != "log"} | ENTRY
    record = only(message)
    assert record.line is None
    assert record.document is not None
    assert ENTRY.items() <= record.document.items()
    assert record.identity == EVERYTHING


@pytest.mark.parametrize("key", ["log_processed", "merged", "json", "log"])
def test_fields_merged_under_any_key_are_the_document(key: str) -> None:
    message = {k: v for k, v in FLUENT_BIT.items() if k != "log"} | {key: ENTRY}
    record = only(message)
    assert (record.document, record.identity) == (ENTRY, EVERYTHING)


def test_a_json_line_kept_as_text_is_decoded_into_the_document() -> None:
    record = only(FLUENT_BIT | {"log": json.dumps(ENTRY)})
    assert (record.line, record.document) == (None, ENTRY)


def test_access_fields_beside_the_kubernetes_key_are_a_document_with_identity() -> None:
    kubernetes = {
        "namespace_name": "default",
        "pod_name": "frontend-v1-d892h245fc-93b82",
        "container_name": "istio-proxy",
    }
    record = only({"kubernetes": kubernetes, **ENTRY})
    assert record.document == {"kubernetes": kubernetes, **ENTRY}
    assert record.identity == Identity(
        pod="frontend-v1-d892h245fc-93b82",
        namespace="default",
        workload="frontend-v1",
        container="istio-proxy",
    )


def test_a_plain_json_access_line_is_a_bare_document() -> None:
    record = only(ENTRY)
    assert (record.document, record.envelope, record.identity) == (ENTRY, "bare", Identity())


def test_istiods_json_log_is_a_document_even_with_a_message_inside() -> None:
    said = {"level": "info", "time": WRITTEN, "scope": "ads", "msg": "Push debounce stable[1]"}
    assert only(said).document == said
    assert only(FLUENT_BIT | {"log": json.dumps(said)}).document == said
    stackdriver = {"severity": "INFO", "timestamp": WRITTEN, "message": "Starting istiod"}
    assert only(stackdriver).document == stackdriver


def test_dockers_json_file_line_loses_its_newline_and_keeps_its_time() -> None:
    record = only({"log": LINE + "\n", "stream": "stdout", "time": WRITTEN})
    assert (record.line, record.time, record.envelope) == (LINE, TIME, "docker")
    assert not record.partial


def test_logstash_and_sterns_json_are_peeled() -> None:
    logstash = only({"@timestamp": WRITTEN, "@version": "1", "message": LINE, "host": "relay"})
    assert (logstash.line, logstash.envelope) == (LINE, "logstash")
    assert only({"@version": "1", "event": {"original": LINE}}).line == LINE
    stern = only(
        {
            "message": LINE,
            "nodeName": "node-1",
            "namespace": "shop",
            "podName": POD,
            "containerName": "istio-proxy",
        }
    )
    assert (stern.line, stern.envelope) == (LINE, "stern")
    assert stern.identity.namespace == "shop"
    assert stern.identity.workload == "web"


@pytest.mark.parametrize(
    "inner",
    [
        f"{WRITTEN} stdout F {LINE}",
        json.dumps({"log": LINE + "\n", "stream": "stdout", "time": WRITTEN}),
        json.dumps(json.dumps({"log": LINE + "\n", "stream": "stdout"})),
        json.dumps(FLUENT_BIT),
        json.dumps({"message": json.dumps({"message": f"{WRITTEN} stdout F {LINE}"})}),
    ],
)
def test_nested_envelopes_are_peeled_until_the_line_is_left(inner: str) -> None:
    record = only(FILEBEAT | {"message": inner})
    assert record.line == LINE
    assert record.identity == EVERYTHING
    assert record.envelope.startswith("filebeat/")


def test_the_identity_inside_wins_over_the_shippers_own() -> None:
    relay = {"pod_name": "relay-0", "namespace_name": "logging", "container_name": "relay"}
    record = only({"log": json.dumps(FLUENT_BIT), "kubernetes": relay})
    assert record.identity == EVERYTHING


def test_a_line_as_a_json_string_is_unquoted() -> None:
    record = only(json.dumps(LINE).encode())
    assert (record.line, record.envelope) == (LINE, "quoted")


def test_a_json_array_holds_a_record_per_element() -> None:
    records = peel(json.dumps([FLUENT_BIT, LINE, 7, ENTRY]).encode())
    assert [record.line for record in records] == [LINE, LINE, None, None]
    assert records[2].reason == "not-an-object"
    assert records[3].document == ENTRY


def test_a_message_of_several_lines_gives_a_record_per_line_and_bad_ones_stay_alone() -> None:
    value = f"{LINE}\nnonsense\n{json.dumps(FLUENT_BIT)}\r\n\n{json.dumps(ENTRY)}\n".encode()
    records = peel(value)
    assert [record.line for record in records] == [LINE, "nonsense", LINE, None]
    assert records[3].document == ENTRY


def test_a_pretty_printed_object_is_one_document() -> None:
    assert only(json.dumps(ENTRY, indent=2).encode()).document == ENTRY


@pytest.mark.parametrize(
    "relayed",
    [
        {"schema": {"type": "string"}, "payload": LINE},
        {"payload": json.dumps(FLUENT_BIT)},
        {"payload": FLUENT_BIT},
        {"event": FLUENT_BIT, "sourcetype": "_json"},
        {"_index": "logs", "_source": FLUENT_BIT | {"log": LINE}},
        {"insertId": "x", "jsonPayload": {"message": LINE}},
        {"textPayload": LINE + "\n", "severity": "INFO"},
    ],
)
def test_what_a_relay_wraps_once_more_is_found(relayed: dict[str, Any]) -> None:
    record = only(relayed)
    assert record.line == LINE
    if "kubernetes" in json.dumps(relayed):
        assert record.identity == EVERYTHING


@pytest.mark.parametrize("joint", [".", "_"])
@pytest.mark.parametrize("root", ["kubernetes", "_kubernetes", "k8s"])
def test_a_flattened_kubernetes_object_is_put_together_again(root: str, joint: str) -> None:
    flat = {
        f"{root}{joint}pod_name": POD,
        f"{root}{joint}namespace_name": "shop",
        f"{root}{joint}host": "node-1",
        f"{root}{joint}container_name": "istio-proxy",
        f"{root}{joint}container_image": "istio/proxyv2:1.7.5",
        f"{root}{joint}labels{joint}istio.io/rev": "default",
        f"{root}{joint}labels{joint}service.istio.io/canonical-name": "storefront",
    }
    record = only({"message": LINE, **flat})
    assert (record.line, record.identity) == (LINE, EVERYTHING)


def test_names_of_files_and_containers_help_when_nothing_better_does() -> None:
    names = {
        "file": f"/var/log/pods/shop_{POD}_3f0c/istio-proxy/0.log",
        "tag": f"kube.var.log.containers.{POD}_shop_istio-proxy-9ab0.log",
        "CONTAINER_NAME": f"k8s_istio-proxy_{POD}_shop_3f0c_0",
    }
    for key, value in names.items():
        who = only({"message": LINE, key: value}).identity
        assert (who.pod, who.namespace, who.container) == (POD, "shop", "istio-proxy")


def test_vectors_pieces_are_marked_and_its_last_piece_is_not() -> None:
    first = only(VECTOR | {"_partial": True, "message": LINE[:9]})
    last = only(VECTOR | {"message": LINE[9:]})
    assert (first.partial, first.line) == (True, LINE[:9])
    assert (last.partial, last.stream) == (False, first.stream)


def test_pieces_from_dockers_fluentd_driver_are_marked() -> None:
    about = {"container_name": f"/k8s_istio-proxy_{POD}_shop_3f0c_0", "source": "stdout"}
    pieces = [
        only(about | {"log": text, "partial_message": "true", "partial_last": last})
        for text, last in ((LINE[:9], "false"), (LINE[9:], "true"))
    ]
    assert [piece.partial for piece in pieces] == [True, False]
    assert pieces[0].stream == pieces[1].stream
    assert pieces[0].identity.pod == POD


def test_an_event_of_the_control_plane_is_left_as_it_is() -> None:
    event = {"time": WRITTEN, "kind": "push", "proxy": "web-0.shop", "type": "CDS", "full": True}
    record = only(event)
    assert (record.document, record.envelope) == (event, "bare")
