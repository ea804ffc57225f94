"""OpenTelemetry's logs, as protobuf and as JSON: one message holds a batch of many pods' records.

The shapes are those of opentelemetry-proto's ``logs.proto`` and of OTLP's JSON mapping (camelCase
keys, 64-bit integers as strings).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData

from pipelines.identity import Identity, describe, from_path, name_of

_MAX_DEPTH = 32
_RECORD_FIELDS = frozenset(LogRecord.DESCRIPTOR.fields_by_number)
_LATEST_NS = 4_102_444_800_000_000_000
"""2100-01-01: a record that claims a later time is not a log record but other bytes."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One log record: its body, its attributes (the resource's below its own), its time in ns."""

    body: object
    attributes: dict[str, Any]
    resource: dict[str, Any]
    time_ns: int


def from_protobuf(value: bytes) -> list[Logged] | None:
    """The records of an OTLP protobuf message, None when the bytes are none.

    Protobuf has no magic number, so other bytes can parse by chance. They are refused unless
    every record has the fields' own types and a believable time, and one says something.
    """
    data = LogsData()
    try:
        data.ParseFromString(value)
    except DecodeError:
        return None
    found = [
        (resource, record)
        for batch in data.resource_logs
        for resource in [_attributes(batch.resource.attributes)]
        for scope in batch.scope_logs
        for record in scope.log_records
    ]
    said = any(record.HasField("body") or record.attributes for _, record in found)
    if not said or not all(_is_log(record) for _, record in found):
        return None
    return [_logged(resource, record) for resource, record in found]


def _is_log(record: LogRecord) -> bool:
    """Spans and metrics parse as log records, too, with known numbers left over as unknown."""
    unknown = UnknownFieldSet(record)
    numbers = {unknown[position].field_number for position in range(len(unknown))}
    stray = not numbers.isdisjoint(_RECORD_FIELDS)
    return not stray and record.time_unix_nano <= _LATEST_NS


def _logged(resource: dict[str, Any], record: LogRecord) -> Logged:
    return Logged(
        _value(record.body),
        _attributes(record.attributes),
        resource,
        record.time_unix_nano or record.observed_time_unix_nano,
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.decode("utf-8", "replace")
    return None if kind is None else getattr(value, kind, None)


def is_json(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an OTLP batch of logs."""
    return isinstance(document.get("resourceLogs"), list)


def from_json(document: Mapping[str, Any]) -> Iterator[Logged]:
    """The records of an OTLP JSON batch; whatever has another shape is stepped over."""
    for batch in _objects(document.get("resourceLogs")):
        resource = batch.get("resource")
        about = _pairs(resource.get("attributes")) if isinstance(resource, dict) else {}
        for scope in _objects(batch.get("scopeLogs") or batch.get("instrumentationLibraryLogs")):
            for record in _objects(scope.get("logRecords") or scope.get("logs")):
                nanos = _integer(record.get("timeUnixNano"))
                yield Logged(
                    _plain(record.get("body")),
                    _pairs(record.get("attributes")),
                    about,
                    nanos or _integer(record.get("observedTimeUnixNano")),
                )


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _integer(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _pairs(value: object, depth: int = 0) -> dict[str, Any]:
    return {
        item["key"]: _plain(item.get("value"), depth)
        for item in _objects(value)
        if isinstance(item.get("key"), str)
    }


def _plain(value: object, depth: int = 0) -> object:
    """A value out of OTLP JSON's wrapping, e.g. ``{"stringValue": "x"}``."""
    if not isinstance(value, dict) or not value or depth > _MAX_DEPTH:
        return None
    kind, content = next(iter(value.items()))
    plain: object = None
    if kind == "intValue":
        plain = _integer(content)
    elif kind in ("stringValue", "boolValue", "doubleValue"):
        plain = content
    elif kind == "bytesValue" and isinstance(content, str):
        plain = _decoded(content)
    elif kind == "kvlistValue" and isinstance(content, dict):
        plain = _pairs(content.get("values"), depth + 1)
    elif kind == "arrayValue" and isinstance(content, dict):
        plain = [_plain(item, depth + 1) for item in _objects(content.get("values"))]
    return plain


def _decoded(content: str) -> str | None:
    try:
        return b64decode(content).decode("utf-8", "replace")
    except ValueError:
        return None


_NODE_ID = re.compile(r"(?:sidecar|router|waypoint|ztunnel)~[^~]*~([^~.]+)\.([^~]+)~[^~]*")
_OWNERS = ("deployment", "statefulset", "daemonset", "cronjob", "job", "replicaset")


def identity_of(attributes: Mapping[str, Any]) -> Identity:
    """Who wrote a record, by OpenTelemetry's names for Kubernetes or by Envoy's own node id."""

    def named(key: str) -> str | None:
        return name_of(attributes.get(key))

    pod, namespace = named("k8s.pod.name"), named("k8s.namespace.name")
    if pod is None and (node := _NODE_ID.fullmatch(named("node_name") or "")):
        pod, namespace = node.groups()
    owners = ((kind, named(f"k8s.{kind}.name")) for kind in _OWNERS)
    who = describe(
        pod=pod,
        namespace=namespace,
        container=named("k8s.container.name"),
        node=named("k8s.node.name"),
        image=_image(attributes),
        owner=next(((kind, name) for kind, name in owners if name), None),
        labels=_under(attributes, "k8s.pod.labels.", "k8s.pod.label."),
        annotations=_under(attributes, "k8s.pod.annotations.", "k8s.pod.annotation."),
    )
    path = attributes.get("log.file.path")
    return who.filled_by(from_path(path)) if pod is None and isinstance(path, str) else who


def _under(attributes: Mapping[str, Any], *prefixes: str) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): value
        for prefix in prefixes
        for key, value in attributes.items()
        if key.startswith(prefix)
    }


def _image(attributes: Mapping[str, Any]) -> str | None:
    name = name_of(attributes.get("container.image.name"))
    tags = attributes.get("container.image.tags")
    tag = tags[0] if isinstance(tags, list) and tags else attributes.get("container.image.tag")
    return f"{name}:{tag}" if name and isinstance(tag, str) else name
