"""Envoy's application log inside istio-proxy (not its access log).

Three prefixes: Envoy's own ``[time][thread][level][component]``, with ``[Envoy (Epoch 0)]`` before
it up to Istio 1.5; Istio's tabs with the scope ``envoy COMPONENT`` from 1.6; JSON from 1.9.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from pipelines.formats import istio_log
from pipelines.formats.istio_log import HEAD_SEARCH, LogLine

_OWN = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?)\] ?\[\d+\] ?"
    r"\[(?P<level>trace|debug|info|warning|warn|error|critical)\] ?\[(?P<scope>[\w. -]+)\] ?"
    r"(?:\[?(?P<source>[\w./-]+:\d+)\] ?)?"
)
_STREAM_CLOSED = re.compile(
    r"(?:Stream|Delta)AggregatedResources gRPC config stream (?:to \S+ )?closed[^:]*: ?(?P<why>.*)"
)
_REJECTED = re.compile(
    r"(?:gRPC|delta) config for (?:type\.googleapis\.com/)?(?P<url>\S+) (?:update )?rejected: ?"
)
_TERMINATED = "caught ENVOY_SIGTERM"
_FROM_THREAD = re.compile(r"\s+thread=\d+$")
_TYPES = {
    "Cluster": "CDS",
    "Listener": "LDS",
    "RouteConfiguration": "RDS",
    "ScopedRouteConfiguration": "SRDS",
    "ClusterLoadAssignment": "EDS",
    "Secret": "SDS",
    "TypedExtensionConfig": "ECDS",
}


def claims(entry: LogLine) -> bool:
    """Whether a line in Istio's log format was written by Envoy.

    The scope says so, or the level ``warning``: Istio's own loggers write ``warn``.
    """
    scope = entry.scope or ""
    return scope == "envoy" or scope.startswith("envoy ") or entry.level in {"warning", "critical"}


def read(line: str) -> dict[str, Any] | None:
    """Fields of an Envoy log line: time, level, scope, event (disconnect | nack | other)."""
    own = _OWN.search(line, 0, HEAD_SEARCH)
    if own is None:
        return _fields(istio_log.split(line))
    time = _own_time(own["time"])
    return _fields(
        LogLine(time, own["level"], f"envoy {own['scope']}", line[own.end() :].rstrip("` \r\n"))
    )


def read_json(document: dict[str, Any]) -> dict[str, Any] | None:
    """The same from a JSON log record."""
    return _fields(istio_log.of_document(document))


def _fields(entry: LogLine | None) -> dict[str, Any] | None:
    if entry is None or not claims(entry):
        return None
    said: dict[str, Any] = {"time": entry.time, "level": entry.level, "scope": entry.scope}
    message = _message(entry)
    closed = _STREAM_CLOSED.match(message)
    if closed is not None:
        return said | {"event": "disconnect", "error": closed["why"] or None}
    rejected = _REJECTED.match(message)
    if rejected is not None:
        kind = _TYPES.get(rejected["url"].rpartition(".")[2])
        return said | {"event": "nack", "type": kind, "error": message[rejected.end() :] or None}
    if message.startswith(_TERMINATED):
        return said | {"event": "other", "lifecycle": "proxy-stop"}
    return said | {"event": "other"}


def _message(entry: LogLine) -> str:
    """The message without the source file before it and the thread behind it."""
    first, tab, behind = entry.message.partition("\t")
    message = behind if tab and " " not in first else entry.message
    return _FROM_THREAD.sub("", message)


def _own_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
