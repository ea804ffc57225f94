"""Reading the JSON objects that log shippers write around a line."""

from __future__ import annotations

from typing import Any

from pipelines.identity import folded
from pipelines.metadata import Object, dig
from pipelines.prefixes import starts_like_a_line
from pipelines.schema import FIELDS

TEXT_KEYS = (
    "log",  # Fluent Bit, Fluentd, Docker
    "message",  # Filebeat, Vector, Logstash, stern, parsers of CRI framing
    "full_message",  # GELF
    "short_message",
    "textPayload",  # Google's agent
    "MESSAGE",  # journald
    "body",  # OpenTelemetry
    "payload",  # Kafka Connect's schema and payload
    "event",  # Splunk's collector
)
"""Where shippers put the line."""

_OBJECT_KEYS = ("payload", "event", "body", "jsonPayload", "_source", "message", "log")
"""Where relays put another shipper's object."""

_ACCESS_KEYS = frozenset(FIELDS) | {
    "duration",
    "upstream_service_time",
    "x_request_id",
    "x_envoy_upstream_service_time",
    "_authority",  # folded ":authority"
    "_method",
    "_path",
}
_MIN_ACCESS_KEYS = 3
"""So many of an access log entry's names make an object an entry rather than an envelope."""


def is_entry(document: Object) -> bool:
    """Whether an object carries a log entry's own fields: Envoy's access log or istiod's JSON.

    istiod writes ``msg`` with ``level`` and ``scope``, or, for Stackdriver, ``message`` with
    ``severity``; shippers may add a severity as well, but then the message is a whole line.
    """
    if isinstance(document.get("msg"), str) and ("level" in document or "scope" in document):
        return True
    message = document.get("message")
    if "severity" in document and isinstance(message, str) and not starts_like_a_line(message):
        return True
    hits = 0
    for key in document:
        hits += key in _ACCESS_KEYS or (len(key) < 40 and folded(key) in _ACCESS_KEYS)
        if hits >= _MIN_ACCESS_KEYS:
            return True
    return False


def content_of(document: Object) -> str | Object:
    """What an object carries: a text, an object further inside, or itself as an entry.

    An object in which nothing else is found counts as an entry, of a format yet unknown.
    """
    if is_entry(document):
        return document
    text = _text(document)
    if text is not None:
        return text
    return _entry_inside(document) or _envelope_inside(document) or document


def _text(document: Object) -> str | None:
    """The text a shipper carries, or None when it carries none."""
    values = [document[key] for key in TEXT_KEYS if key in document]
    values.append(dig(document, "event", "original"))
    texts = [value for value in values if isinstance(value, str)]
    return next(
        (text for text in texts if text and not text.isspace()), texts[0] if texts else None
    )


def _entry_inside(document: Object) -> dict[str, Any] | None:
    """A log entry that a shipper parsed and put under a key of its own choice."""
    for value in document.values():
        if isinstance(value, dict) and is_entry(value):
            return value
    return None


def _envelope_inside(document: Object) -> Object | None:
    """Another shipper's object that a relay wrapped."""
    for key in _OBJECT_KEYS:
        value = document.get(key)
        if isinstance(value, dict) and ("kubernetes" in value or _text(value) is not None):
            return value
    return None


def time_of(document: Object) -> object:
    """The envelope's time: the runtime's own where it is kept, else the shipper's."""
    for key in ("time", "@timestamp", "timestamp", "date", "ts"):
        value = document.get(key)
        if value is not None:
            return value
    return None


def partial_of(document: Object) -> bool | None:
    """Whether the runtime cut the line here; None when the shipper keeps no such mark.

    Fluent Bit and Fluentd keep the runtime's tag, Vector sets a flag on all pieces but the last,
    Docker's fluentd driver numbers them, its files leave the newline to the last piece.
    """
    tag = document.get("logtag", document.get("_p"))
    if isinstance(tag, str):
        return tag.startswith("P")
    if document.get("source_type") == "kubernetes_logs":
        return document.get("_partial") is True
    if "partial_message" in document:
        return document.get("partial_last") != "true"
    if is_docker(document):
        text = document.get("log")
        return isinstance(text, str) and not text.endswith("\n")
    return None


_DOCKER_KEYS = frozenset({"log", "stream", "time", "attrs"})


def is_docker(document: Object) -> bool:
    """Whether this is a line of Docker's json-file driver and nothing more."""
    return (
        "log" in document
        and ("stream" in document or "time" in document)
        and _DOCKER_KEYS.issuperset(document)
    )


def layer_of(document: Object) -> str | None:
    """The shipper's name by its own marks, None when the object bears no mark of a shipper."""
    cluster = document.get("kubernetes")
    inside: Object = cluster if isinstance(cluster, dict) else {}
    marks = {
        "docker": is_docker(document),
        "vector": document.get("source_type") == "kubernetes_logs" or "pod_labels" in inside,
        "filebeat": "beat" in document
        or isinstance(inside.get("pod"), dict)
        or dig(document, "@metadata", "beat") is not None
        or dig(document, "agent", "type") == "filebeat",
        "fluentd": "docker" in document or "master_url" in inside or "namespace_id" in inside,
        "logstash": "@version" in document,
        "stern": "podName" in document and "containerName" in document,
        "fluent-bit": isinstance(cluster, dict) or "_p" in document or "logtag" in document,
    }
    return next((layer for layer, marked in marks.items() if marked), None)
