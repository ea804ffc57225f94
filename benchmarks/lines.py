"""Access log lines of a busy mesh, made from a seed: the same entries in three encodings.

200 services, about 1,600 edges with Zipf-distributed traffic, three pods a service, 20,000 lines
a second of event time. One line in fifty is TCP, one in two thousand has a user agent with
quotes inside, one in two hundred is an error.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

SERVICES = 200
EDGES = 1_600
RATE = 20_000
START = datetime(2026, 3, 1, tzinfo=UTC)

AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0",
    "okhttp/4.12.0",
    "Go-http-client/1.1",
    "ShopApp/7.3.1 (Android 14)",
)
ERRORS = (
    (503, "UF,URX", "upstream_reset_before_response_started{remote_connection_failure}"),
    (503, "UC", "upstream_reset_before_response_started{connection_termination}"),
    (503, "UH", "no_healthy_upstream"),
    (504, "UT", "response_timeout"),
    (500, "-", "via_upstream"),
    (404, "-", "via_upstream"),
    (0, "DC", "downstream_remote_disconnect"),
)
CODES = (200, 200, 200, 200, 201, 204, 304)


class Entry(NamedTuple):
    """One access log entry: the writer's pod, and Istio's JSON."""

    pod: str
    namespace: str
    workload: str
    fields: dict[str, object]


def entries(count: int, seed: int = 1) -> Iterator[Entry]:
    """``count`` entries in order of their start."""
    rng = random.Random(seed)
    edges = [(rng.randrange(SERVICES), rng.randrange(SERVICES)) for _ in range(EDGES)]
    weights = [1 / rank**1.05 for rank in range(1, EDGES + 1)]
    for number, (caller, callee) in enumerate(rng.choices(edges, weights, k=count)):
        yield _entry(rng, number, caller, callee)


def _entry(rng: random.Random, number: int, caller: int, callee: int) -> Entry:
    start = START + timedelta(seconds=number / RATE)
    tcp = rng.random() < 0.02
    code, flags, details = rng.choice(CODES), "-", "via_upstream"
    if rng.random() < 0.005:
        code, flags, details = rng.choice(ERRORS)
    agent = rng.choice(AGENTS)
    if rng.random() < 0.0005:
        agent = f'{agent} "beta"'
    namespace = f"team-{callee % 20}"
    host = f"service-{callee}.{namespace}.svc.cluster.local"
    request = {"method": "GET", "path": f"/api/v1/items/{rng.randrange(10_000)}"}
    fields: dict[str, object] = {
        "start_time": f"{start:%Y-%m-%dT%H:%M:%S}.{start.microsecond // 1000:03d}Z",
        **({"method": None, "path": None} if tcp else request),
        "protocol": None if tcp else "HTTP/1.1",
        "response_code": 0 if tcp else code,
        "response_flags": "-" if tcp else flags,
        "response_code_details": None if tcp else details,
        "connection_termination_details": None,
        "upstream_transport_failure_reason": None,
        "bytes_received": rng.randrange(2_000),
        "bytes_sent": rng.randrange(20_000),
        "duration": rng.randrange(300),
        "upstream_service_time": None if tcp else str(rng.randrange(300)),
        "x_forwarded_for": None,
        "user_agent": None if tcp else agent,
        "request_id": None if tcp else _request_id(rng),
        "authority": None if tcp else f"service-{callee}.{namespace}:8080",
        "upstream_host": f"10.{callee}.0.{rng.randrange(3) + 1}:8080",
        "upstream_cluster": f"outbound|8080||{host}",
        "upstream_local_address": f"10.{caller}.0.1:{rng.randrange(32768, 60999)}",
        "downstream_local_address": f"172.20.{callee}.1:8080",
        "downstream_remote_address": f"10.{caller}.0.1:{rng.randrange(32768, 60999)}",
        "requested_server_name": None,
        "route_name": None if tcp else "default",
    }
    pod = f"service-{caller}-6d9f8c7b5d-pod{'bcd'[rng.randrange(3)]}4"
    return Entry(pod, f"team-{caller % 20}", f"service-{caller}", fields)


def _request_id(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def text(entry: Entry) -> bytes:
    """Istio's default text since 1.9."""
    f = {name: "-" if value is None else value for name, value in entry.fields.items()}
    return (
        f'[{f["start_time"]}] "{f["method"]} {f["path"]} {f["protocol"]}" {f["response_code"]}'
        f" {f['response_flags']} {f['response_code_details']}"
        f' {f["connection_termination_details"]} "{f["upstream_transport_failure_reason"]}"'
        f" {f['bytes_received']} {f['bytes_sent']} {f['duration']} {f['upstream_service_time']}"
        f' "{f["x_forwarded_for"]}" "{f["user_agent"]}" "{f["request_id"]}" "{f["authority"]}"'
        f' "{f["upstream_host"]}" {f["upstream_cluster"]} {f["upstream_local_address"]}'
        f" {f['downstream_local_address']} {f['downstream_remote_address']}"
        f" {f['requested_server_name']} {f['route_name']}"
    ).encode()


def document(entry: Entry) -> bytes:
    """Istio's default JSON since 1.9."""
    return json.dumps(entry.fields, separators=(",", ":")).encode()


def fluent_bit(entry: Entry) -> bytes:
    """The text line as Fluent Bit ships it from Kubernetes."""
    record = {
        "@timestamp": 1772323200.310123,
        "time": "2026-03-01T00:00:00.310123456Z",
        "stream": "stdout",
        "_p": "F",
        "log": text(entry).decode(),
        "kubernetes": {
            "pod_name": entry.pod,
            "namespace_name": entry.namespace,
            "pod_id": "3f0c9c6e-6d5b-4a53-9d0c-1f2f3c4d5e6f",
            "labels": {
                "app": entry.workload,
                "istio.io/rev": "default",
                "pod-template-hash": "6d9f8c7b5d",
                "service.istio.io/canonical-name": entry.workload,
            },
            "host": "node-1",
            "container_name": "istio-proxy",
            "container_image": "docker.io/istio/proxyv2:1.24.1",
        },
    }
    return json.dumps(record, separators=(",", ":")).encode()


ENCODINGS: dict[str, Callable[[Entry], bytes]] = {
    "text": text,
    "json": document,
    "fluent-bit": fluent_bit,
}
