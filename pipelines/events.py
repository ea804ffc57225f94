"""Control-plane events: from the fields of log lines, and from and to NDJSON.

Both give rows of ``schema.CONTROL``. A row is about one proxy ("pod.namespace") or, with
``proxy`` null, about the control plane itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
import polars as pl

from pipelines.formats import istiod_plain
from pipelines.formats.istio_log import parse_time
from pipelines.identity import Identity
from pipelines.schema import CONTROL, CONTROL_KINDS

LogKind = Literal["istiod", "agent", "envoy"]
Row = dict[str, Any]

_COUNTER_OF_CONNECTION = re.compile(r"-\d+$")
_COUNTER_OF_PUSH = re.compile(r"/(\d{1,18})$")
_MAX_TEXT = 500
_LIFECYCLE = {
    "start": "control-plane-start",
    "ready": "control-plane-ready",
    "stop": "control-plane-stop",
    "rotation": "rotation",
}
_TEXTS = (
    *("proxy", "version", "revision", "type", "istiod", "reason", "error"),
    *("node", "workload", "proxy_version"),
)
_decoder = msgspec.json.Decoder(dict[str, Any])
_OF_KUBERNETES = {
    "start": "control-plane-start",
    "stop": "control-plane-stop",
    "notice": "notice",
    "rollout": "workload-rollout",
}
_OF_PROXY = frozenset({"connect", "disconnect", "nack", "rotation", "proxy-stop"})
_EVENT_KEYS = CONTROL.keys() - {"source"}
_NO_EVENT: Row = dict.fromkeys(CONTROL)


class LineError(NamedTuple):
    """A line of an NDJSON file that is no event; ``line`` counts from 1."""

    line: int
    reason: str


class NotAnEventError(ValueError):
    """A JSON object that does not say what architecture's control-plane events say."""


def proxy_name(node: str, *, connection: bool) -> str | None:
    """Reduce a node or connection ID to "pod.namespace"; None when it names no pod.

    Args:
        node: ``pod.namespace``, ``sidecar~ip~pod.namespace~domain``, or either with ``-N``.
        connection: whether it is a connection ID, which ends in istiod's connection counter.
    """
    parts = node.split("~")
    if len(parts) == 4:
        name = parts[2]
    elif len(parts) == 1:
        name = _COUNTER_OF_CONNECTION.sub("", node) if connection else node
    else:
        return None
    return name if 0 < name.find(".") < len(name) - 1 else None


def control_event(fields: dict[str, Any], identity: Identity, kind: LogKind) -> Row | None:
    """The control-plane event in a recognised log line, or None when it tells of none.

    Args:
        fields: what ``formats.istiod``, ``agent`` or ``envoy_log`` read.
        identity: who wrote the line. For istiod its image's version is the control plane's; for
            istio-proxy the pod is the proxy (its bare name where no namespace is known), and its
            version says nothing of the control plane.
        kind: whose line it is, as the container or the kind of topic decides.

    Returns:
        A row of ``schema.CONTROL``. A line without a time gives None: an event must be placed.
    """
    if not isinstance(fields.get("time"), datetime):
        return None
    row = _of_istiod(fields, identity) if kind == "istiod" else _of_proxy(fields, identity, kind)
    return None if row is None else _NO_EVENT | {"time": fields["time"]} | row


def kubernetes_event(fields: dict[str, Any]) -> Row | None:
    """The control-plane event in a Kubernetes event, as `formats.kubernetes` read it, or None."""
    kind = _OF_KUBERNETES.get(fields["event"])
    if kind is None:
        return None
    tag = f" (revision tag {fields['tag']})" if fields.get("tag") else ""
    about = f"{fields['object_kind']} {fields['object']}"
    return _NO_EVENT | {
        "time": fields["time"],
        "kind": kind,
        "istiod": fields.get("istiod"),
        "version": fields.get("version"),
        "revision": fields["revision"],
        "workload": fields.get("workload"),
        "reason": _short(f"{fields['reason']}: {fields['message'] or about}{tag}"),
        "source": "kubernetes",
    }


def _of_proxy(fields: dict[str, Any], identity: Identity, kind: LogKind) -> Row | None:
    kind_told = fields.get("lifecycle") or fields["event"]
    if kind_told not in _OF_PROXY or not identity.pod:
        return None
    namespace = f".{identity.namespace}" if identity.namespace else ""
    return {
        "kind": kind_told,
        "proxy": f"{identity.pod}{namespace}",
        "revision": identity.revision,
        "type": fields.get("type"),
        "error": _short(fields.get("error")),
        "source": f"{kind}-log",
        "node": identity.node,
        "workload": identity.workload,
        "proxy_version": identity.proxy_version,
    }


def _of_istiod(fields: dict[str, Any], identity: Identity) -> Row | None:
    event = fields["event"]
    row: Row = {
        "istiod": identity.pod,
        "version": fields.get("istio_version") or identity.proxy_version,
        "revision": identity.revision,
        "type": _short(fields.get("type")),
        "source": "istiod-log",
    }
    if "lifecycle" in fields:
        return row | {"kind": _LIFECYCLE[fields["lifecycle"]]}
    if event == "debounce":
        reason = fields.get("config") or fields.get("reason")
        counter = fields["debounce_id"]
        return row | {
            "kind": "config-change",
            "full": fields.get("full"),
            "counter": counter if counter < 1 << 62 else None,
            "reason": _short(reason),
        }
    if event == "push" and "proxy_id" not in fields:
        return row | _announced(fields) if fields.get("full") is not None else None
    if event in {"push", "connect", "disconnect", "nack"} or fields.get("ack"):
        return _about_proxy(row, fields)
    return None


def _announced(fields: dict[str, Any]) -> Row:
    version = fields.get("version")
    counter = _COUNTER_OF_PUSH.search(version) if version else None
    endpoints = fields.get("connected_endpoints")
    return {
        "kind": "push",
        "full": fields["full"],
        "push_version": _short(version),
        "counter": int(counter[1]) if counter else None,
        "proxies": endpoints if endpoints is not None and endpoints < 1 << 62 else None,
    }


def _about_proxy(row: Row, fields: dict[str, Any]) -> Row | None:
    event = "ack" if fields.get("ack") else fields["event"]
    node = fields.get("proxy_id")
    connection = event != "push" or "type" not in fields
    proxy = _short(proxy_name(node, connection=connection)) if isinstance(node, str) else None
    if proxy is None:
        return None
    request = bool(fields.get("request")) if event == "push" and "type" in fields else None
    return row | {
        "kind": event,
        "proxy": proxy,
        "full": fields.get("full"),
        "request": request,
        "push_version": _short(fields.get("version")),
        "error": _short(fields.get("error")),
    }


def event_row(document: dict[str, Any]) -> Row:
    """A row of ``schema.CONTROL`` from one event in the NDJSON shape.

    ``time`` (RFC 3339 text, or seconds since 1970) and ``kind`` are required; the rest may be
    null or absent.

    Raises:
        NotAnEventError: with a short reason; nothing else is raised, whatever the object holds.
    """
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in CONTROL_KINDS:
        raise NotAnEventError("unknown-kind")
    time = _event_time(document.get("time"))
    if time is None:
        raise NotAnEventError("bad-time")
    row = _NO_EVENT | {"time": time, "kind": kind, "source": "event"}
    for name in _TEXTS:
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            raise NotAnEventError(f"bad-{name}")
        row[name] = _short(value) or None
    for name in ("full", "request"):
        value = document.get(name)
        if value is not None and not isinstance(value, bool):
            raise NotAnEventError(f"bad-{name}")
        row[name] = value
    proxies = document.get("proxies")
    if isinstance(proxies, int) and not isinstance(proxies, bool) and 0 <= proxies < 1 << 62:
        row["proxies"] = proxies
    return row


def plain_event(value: bytes | None) -> Row | None:
    """The row of a message that is one event and nothing else; None for all others.

    What it reads, the careful path reads alike: a simulated day of a mesh has a hundred thousand
    events, and they need no envelope peeled.
    """
    if value is None or not value.startswith(b"{") or b'"kind"' not in value:
        return None
    try:
        document = _decoder.decode(value)
        return event_row(document) if document.keys() <= _EVENT_KEYS else None
    except (msgspec.DecodeError, NotAnEventError, RecursionError):
        return None


def plain_line(value: bytes) -> Row | None:
    """The row of a bare line of istiod in the shapes of `formats.istiod_plain`, or None."""
    told = istiod_plain.read(value)
    return None if told is None else _NO_EVENT | told


def read_events(lines: Iterable[str]) -> tuple[pl.DataFrame, list[LineError]]:
    """NDJSON control-plane events to a frame of ``schema.CONTROL``, in the order of the lines.

    Blank lines are skipped. A line that is no event becomes a ``LineError`` and hurts no other.
    """
    rows: list[Row] = []
    errors: list[LineError] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            if not isinstance(document, dict):
                raise NotAnEventError("not-an-object")
            rows.append(event_row(document))
        except NotAnEventError as error:
            errors.append(LineError(number, str(error)))
        except (ValueError, RecursionError):
            errors.append(LineError(number, "not-json"))
    return pl.DataFrame(rows, schema=CONTROL, orient="row"), errors


def write_events(events: pl.DataFrame) -> Iterator[str]:
    """A frame of ``schema.CONTROL`` as NDJSON lines, each with its newline.

    What the line format does not name (istiod, counters, reasons) is kept where it is known, so
    that reading the lines again gives the same windows.
    """
    always = ("kind", "proxy", "version", "revision", "type", "full")
    extra = ("istiod", "request", "proxies", "reason", "error", "node", "workload", "proxy_version")
    for row in events.iter_rows(named=True):
        time = row["time"].astimezone(UTC).isoformat(timespec="microseconds")
        said = {"time": time.replace("+00:00", "Z")} | {name: row[name] for name in always}
        said |= {name: row[name] for name in extra if row[name] is not None}
        yield json.dumps(said, ensure_ascii=False) + "\n"


def _event_time(value: object) -> datetime | None:
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _short(text: str | None) -> str | None:
    """At most 500 characters, without the lone surrogates that JSON escapes can smuggle in."""
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode() if text else text
