"""Reading the JSON objects that log shippers write around a line."""

from __future__ import annotations

from typing import Any

from pipelines.identity import NOBODY, Identity, describe, folded, from_path, name_of
from pipelines.prefixes import starts_like_a_line
from pipelines.schema import FIELDS

TEXT_KEYS = ("log", "message", "full_message", "short_message", "textPayload", "MESSAGE", "body")
"""Where shippers put the line: Fluent Bit and Docker ``log``, most others ``message``, GELF
``full_message``, Google's agent ``textPayload``, journald ``MESSAGE``, OpenTelemetry ``body``."""

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

Object = dict[str, Any]


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


def text_of(document: Object) -> str | None:
    """The text a shipper carries, or None when it carries none."""
    values = [document[key] for key in TEXT_KEYS if key in document]
    values.append(dig(document, "event", "original"))
    texts = [value for value in values if isinstance(value, str)]
    return next(
        (text for text in texts if text and not text.isspace()), texts[0] if texts else None
    )


def entry_inside(document: Object) -> dict[str, Any] | None:
    """A log entry that a shipper parsed and put under a key of its own choice."""
    for value in document.values():
        if isinstance(value, dict) and is_entry(value):
            return value
    return None


def dig(document: object, *keys: str) -> object:
    """The value under a path of keys, None where the path ends early."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _first(document: Object, *paths: str | tuple[str, ...]) -> str | None:
    for path in paths:
        value = document.get(path) if isinstance(path, str) else dig(document, *path)
        if (name := name_of(value)) is not None:
            return name
    return None


def identity_of(document: Object) -> Identity:
    """Who wrote the line, as any shipper's object says; file names help when nothing else does."""
    cluster = document.get("kubernetes")
    who = _kubernetes(cluster, document) if isinstance(cluster, dict) else _loose(document)
    if who.pod is None and (path := path_of(document)):
        return who.filled_by(from_path(path))
    return who


def _kubernetes(cluster: Object, document: Object) -> Identity:
    """The ``kubernetes`` object of Fluent Bit, Fluentd, Filebeat and Vector."""
    return describe(
        pod=_first(cluster, "pod_name", ("pod", "name"), "pod"),
        namespace=_first(cluster, "namespace_name", "pod_namespace", "namespace"),
        container=_first(cluster, "container_name", ("container", "name")),
        node=_first(cluster, "host", "pod_node_name", ("node", "name"), "node_name"),
        image=_first(cluster, "container_image", ("container", "image"))
        or _first(document, ("container", "image", "name")),
        owner=_owner(cluster),
        labels=cluster.get("labels") or cluster.get("pod_labels"),
        annotations=cluster.get("annotations") or cluster.get("pod_annotations"),
    )


_OWNER_KINDS = ("deployment", "statefulset", "daemonset", "cronjob", "job", "replicaset")
_OWNER_LISTS = ("ownerReferences", "ownerrefs", "owner_references")
_OWNER_KEYS = {"pod_owner", *_OWNER_LISTS, *_OWNER_KINDS}


def _owner(cluster: Object) -> tuple[str, str] | None:
    """(kind, name) from Vector's ``pod_owner``, owner references, or Filebeat's objects."""
    if _OWNER_KEYS.isdisjoint(cluster):
        return None
    kind, slash, name = (_first(cluster, "pod_owner") or "").partition("/")
    if slash and name:
        return kind, name
    for key in _OWNER_LISTS:
        references = cluster.get(key)
        if isinstance(references, list) and references and isinstance(references[0], dict):
            kind, name = (_first(references[0], part) or "" for part in ("kind", "name"))
            if name:
                return kind, name
    for kind in _OWNER_KINDS:
        if named := _first(cluster, (kind, "name")):
            return kind, named
    return None


def _loose(document: Object) -> Identity:
    """Names at the top level: stern's JSON, Google's agent, or a format's own keys."""
    labels = dig(document, "resource", "labels")
    resource = labels if isinstance(labels, dict) else {}
    pod = _first(document, "podName", "pod_name") or _first(resource, "pod_name")
    if pod is None:
        return NOBODY
    return describe(
        pod=pod,
        namespace=_first(document, "namespace", "namespace_name")
        or _first(resource, "namespace_name"),
        container=_first(document, "containerName", "container_name")
        or _first(resource, "container_name"),
        node=_first(document, "nodeName", "node_name"),
        labels=document.get("labels"),
        annotations=document.get("annotations"),
    )


def path_of(document: Object) -> str | None:
    """The file a shipper read the line from (a tag often holds it)."""
    nested = dig(document, "log", "file", "path")
    for value in (document.get("file"), nested, document.get("source"), document.get("tag")):
        if isinstance(value, str) and ".log" in value:
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
    """Whether the runtime cut the line here; None when the shipper keeps no such mark."""
    tag = document.get("logtag", document.get("_p"))
    if isinstance(tag, str):
        return tag.startswith("P")
    if document.get("_partial") is True:
        return True
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
