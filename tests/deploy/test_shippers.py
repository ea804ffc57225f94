"""What the shippers' snippets bring to Kafka is understood, with the identity of who wrote it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from detector.configure import load
from pipelines.batch import Batch, Kind
from pipelines.formats.custom import AccessFormat
from pipelines.parse import Parsed, Parser
from tests.deploy.manifests import KUBERNETES, ROOT, Document, documents
from tests.deploy.shippers import EMITTERS, SHIPPERS, Emit, Message, Pod, snippet

SETTINGS = KUBERNETES / "base" / "pushwake.toml"
CRDS = ROOT / "tests" / "data" / "crds"
KINDS = load(SETTINGS).kafka.topics
ENDED = datetime(2026, 3, 1, 12, 0, 0, 310_000, UTC)

CART = Pod(
    "cart-6d9f8c7b5d-x7k2p",
    "shop",
    "istio-proxy",
    "docker.io/istio/proxyv2:1.23.4",
    {
        "app": "cart",
        "istio.io/rev": "canary",
        "service.istio.io/canonical-name": "cart",
        "pod-template-hash": "6d9f8c7b5d",
    },
    "ReplicaSet/cart-6d9f8c7b5d",
)
GATEWAY = Pod(
    "istio-ingressgateway-5b9c7d6f4-abcde",
    "istio-system",
    "istio-proxy",
    "docker.io/istio/proxyv2:1.23.4",
    {"app": "istio-ingressgateway"},
    "ReplicaSet/istio-ingressgateway-5b9c7d6f4",
)
ISTIOD = Pod(
    "istiod-canary-7c5d9bd6f8-qj4xm",
    "istio-system",
    "discovery",
    "docker.io/istio/pilot:1.23.4",
    {"app": "istiod", "istio.io/rev": "canary"},
    "ReplicaSet/istiod-canary-7c5d9bd6f8",
)
APPLICATION = Pod("cart-6d9f8c7b5d-x7k2p", "shop", "app", "shop/cart:7", {}, "ReplicaSet/cart")

TAIL = (
    '0 91 62 - "-" "curl/8 \\"quoted\\" (x)" "0f1e" "orders" "10.4.1.9:8080" '
    "outbound|80||orders.shop.svc.cluster.local 10.4.2.7:5000 10.0.9.3:80 10.4.2.7:41514 - default"
)
HEAD = '[2026-03-01T12:00:00.248Z] "GET /a HTTP/1.1" 503 UF,URX'
ENTRY: dict[str, Any] = {
    "start_time": "2026-03-01T12:00:00.248Z",
    "method": "GET",
    "path": "/a",
    "protocol": "HTTP/1.1",
    "response_code": 503,
    "response_flags": "UF,URX",
    "response_code_details": "upstream_reset_before_response_started{connection_failure}",
    "connection_termination_details": None,
    "upstream_transport_failure_reason": None,
    "bytes_received": 0,
    "bytes_sent": 91,
    "duration": 62,
    "upstream_service_time": None,
    "x_forwarded_for": None,
    "user_agent": 'curl/8 "quoted" (x)',
    "request_id": "0f1e",
    "authority": "orders",
    "upstream_host": "10.4.1.9:8080",
    "upstream_cluster": "outbound|80||orders.shop.svc.cluster.local",
    "upstream_local_address": "10.4.2.7:5000",
    "downstream_local_address": "10.0.9.3:80",
    "downstream_remote_address": "10.4.2.7:41514",
    "requested_server_name": None,
    "route_name": "default",
}
ACCESS = {
    "text of Istio 1.3": f'{HEAD} "-" "-" {TAIL}',
    "text of Istio 1.8": f'{HEAD} "-" {TAIL}',
    "text of Istio 1.9": f'{HEAD} upstream_reset_before_response_started - "-" {TAIL}',
    "JSON of Istio 1.7": json.dumps(
        {key: "-" if value is None else str(value) for key, value in ENTRY.items()}
    ),
    "JSON of Istio 1.9": json.dumps(ENTRY),
}
PUSH = "XDS: Pushing Services:42 ConnectedEndpoints:17 Version:2026-03-01T12:00:00Z/7"
CONNECT = "ADS: new connection for node:cart-6d9f8c7b5d-x7k2p.shop-12"
ISTIOD_LINES = {
    "text push": (f"2026-03-01T12:00:00.100000Z\tinfo\tads\t{PUSH}", "push"),
    "text connect": (f"2026-03-01T12:00:00.100000Z\tinfo\tads\t{CONNECT}", "connect"),
    "JSON push": (
        json.dumps(
            {"level": "info", "time": "2026-03-01T12:00:00.100000Z", "scope": "ads", "msg": PUSH}
        ),
        "push",
    ),
    "JSON connect": (
        json.dumps(
            {"level": "info", "time": "2026-03-01T12:00:00.100000Z", "scope": "ads", "msg": CONNECT}
        ),
        "connect",
    ),
}
AGENT = (
    "2026-03-01T12:00:00.100000Z\tinfo\txdsproxy\t"
    "connected to delta upstream XDS server: istiod.istio-system.svc:15012"
)


def kind_of(topic: str) -> Kind:
    kind = KINDS[topic]
    assert kind in get_args(Kind)
    return kind


def parsed(messages: Sequence[Message], formats: Sequence[AccessFormat] = ()) -> Parsed:
    (topic,) = {message.topic for message in messages}
    values = [message.value for message in messages]
    return Parser(formats).parse(Batch(topic, 0, 0, len(values), values, kind_of(topic)))


shippers = pytest.mark.parametrize("emit", EMITTERS.values(), ids=EMITTERS.keys())


@shippers
@pytest.mark.parametrize("line", ACCESS.values(), ids=ACCESS.keys())
@pytest.mark.parametrize("pod", [CART, GATEWAY], ids=["sidecar", "gateway"])
def test_an_access_log_entry_arrives_whole_and_with_its_writer(
    emit: Emit, line: str, pod: Pod
) -> None:
    told = parsed(emit(pod, line))
    assert told.rejects.is_empty()
    row = told.access.to_dicts()[0]
    assert (row["pod"], row["namespace"]) == (pod.name, pod.namespace)
    assert row["workload"] == pod.labels["app"]
    assert row["proxy_version"] == "1.23.4"
    assert (row["time"], row["response_code"], row["response_flags"]) == (ENDED, 503, "UF,URX")
    assert row["upstream_cluster"] == "outbound|80||orders.shop.svc.cluster.local"
    assert (row["authority"], row["downstream_remote_address"]) == ("orders", "10.4.2.7:41514")


@shippers
@pytest.mark.parametrize(("line", "kind"), ISTIOD_LINES.values(), ids=ISTIOD_LINES.keys())
def test_a_line_of_istiod_becomes_its_event(emit: Emit, line: str, kind: str) -> None:
    told = parsed(emit(ISTIOD, line))
    assert told.rejects.is_empty()
    row = told.control.to_dicts()[0]
    assert (row["kind"], row["istiod"]) == (kind, ISTIOD.name)
    assert row["revision"] == "canary"
    assert row["version"] == "1.23.4"
    if kind == "connect":
        assert row["proxy"] == f"{CART.name}.shop"


@shippers
def test_the_agents_own_lines_tell_of_reconnects_in_the_topic_of_access_logs(emit: Emit) -> None:
    told = parsed(emit(CART, AGENT))
    row = told.control.to_dicts()[0]
    assert (row["kind"], row["proxy"], row["proxy_version"]) == (
        "connect",
        f"{CART.name}.shop",
        "1.23.4",
    )


@shippers
def test_the_applications_own_output_is_not_shipped(emit: Emit) -> None:
    assert emit(APPLICATION, "GET / 200") == []


@shippers
def test_a_format_of_the_meshs_own_arrives_unchanged(emit: Emit) -> None:
    text = "%START_TIME%|%RESPONSE_CODE%|%RESPONSE_FLAGS%|%UPSTREAM_CLUSTER%|%DURATION%\n"
    line = "2026-03-01T12:00:00.248Z|503|NC|outbound|80||orders.shop.svc.cluster.local|62"
    told = parsed(emit(CART, line), [AccessFormat.compile(text)])
    assert told.access["response_flags"].to_list()[0] == "NC"


@pytest.mark.parametrize("path", sorted(SHIPPERS.glob("*.yaml")), ids=lambda one: str(one.stem))
def test_what_snippets_write_to_the_settings_read(path: Path) -> None:
    text = SETTINGS.read_text().replace("#: ", "")
    known = tomllib.loads(text)["kafka"]["topics"]
    written = {topic for one in documents(path) for topic in topics_in(one)}
    assert written <= known.keys()
    assert written or path.stem == "istio"


def topics_in(value: object) -> set[str]:
    """Every topic that a snippet names."""
    if isinstance(value, list):
        return set().union(*map(topics_in, value))
    if not isinstance(value, dict):
        return set()
    own = {one for key in ("topic", "topics") if isinstance(one := value.get(key), str)}
    return own.union(*map(topics_in, value.values()))


def test_kubernetes_events_of_the_exporter_become_candidates_for_a_cause() -> None:
    (receiver,) = snippet("kubernetes-events")["receivers"]
    assert "layout" not in receiver["kafka"]  # so the event is written as it is
    event = {
        "metadata": {"name": "cart.17", "namespace": "shop"},
        "reason": "ScalingReplicaSet",
        "message": "Scaled up replica set cart-6d9f8c7b5d to 1",
        "source": {"component": "deployment-controller"},
        "firstTimestamp": "2026-03-01T12:00:00Z",
        "lastTimestamp": "2026-03-01T12:00:00Z",
        "type": "Normal",
        "involvedObject": {"kind": "Deployment", "namespace": "shop", "name": "cart"},
    }
    value = json.dumps(event).encode()
    topic = receiver["kafka"]["topic"]
    told = Parser().parse(Batch(topic, 0, 0, 1, [value], "control-plane"))
    (row,) = told.control.to_dicts()
    assert (row["kind"], row["workload"]) == ("workload-rollout", "cart.shop")


def test_the_telemetry_resource_fits_istios_own_schema() -> None:
    telemetry, operator = documents(SHIPPERS / "istio.yaml")
    version = telemetry["apiVersion"].partition("/")[2]
    schema: Document = json.loads((CRDS / f"telemetry-{version}.json").read_text())
    jsonschema_rs.validate(schema, telemetry)
    assert telemetry["spec"]["accessLogging"] == [{"providers": [{"name": "envoy"}]}]
    mesh = operator["spec"]["meshConfig"]
    assert (mesh["accessLogFile"], mesh["accessLogEncoding"]) == ("/dev/stdout", "JSON")
    telemetry["spec"]["accessLogging"][0]["provider"] = "envoy"
    with pytest.raises(jsonschema_rs.ValidationError, match="provider"):
        jsonschema_rs.validate(schema, telemetry)
