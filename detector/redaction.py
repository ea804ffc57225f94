"""What an exemplar may show: enough to recognise the fault, nothing of the mesh's users.

Paths keep their shape but not their identifiers, query strings and addresses are left out unless
the settings allow them; request ids, user agents, X-Forwarded-For and the like are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from detector.settings import RedactionSettings

HIDDEN = "…"

_IPV4 = r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b"
_IPV6 = r"\[?\b(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4})*\]?(?::\d{1,5}\b)?|\[::[^\]\s]*\]"
_ADDRESS = re.compile(f"{_IPV4}|{_IPV6}")
_EMAIL = re.compile(r"[^\s@/]{1,64}@[^\s@/]{1,255}")
_WORD = re.compile(r"[A-Za-z][A-Za-z._~-]{0,23}|v\d{1,2}")
"""A path segment that names a resource and not one of its instances: letters only, not long
enough for a token, or an API version."""


def redact(fields: Mapping[str, Any], pod: str | None, settings: RedactionSettings) -> str:
    """One access log entry as a line for people, in Envoy's own order of fields.

    Args:
        fields: an entry's fields, named as in `pipelines.schema.FIELDS`.
        pod: the proxy that wrote it.
        settings: what may be shown.
    """
    time = fields.get("start_time")
    parts = [
        f"[{_rfc3339(time)}]" if isinstance(time, datetime) else None,
        pod,
        f'"{_request(fields, settings)}"',
        _text(fields.get("response_code")),
        ",".join(fields.get("response_flags") or ()) or "-",
        _text(fields.get("response_code_details")),
        _reason(fields.get("upstream_transport_failure_reason")),
        _unit(fields.get("duration_ms"), "ms"),
        _text(fields.get("authority")),
        _text(fields.get("upstream_cluster")),
    ]
    line = " ".join(part for part in parts if part)
    return _mask(line, settings)[: settings.max_length]


def path_shape(path: str, *, query: bool = False) -> str:
    """A path without what identifies someone or something.

    >>> path_shape("/api/v1/orders/8412/items?user=ann")
    '/api/v1/orders/…/items?…'
    >>> path_shape("/login")
    '/login'
    """
    route, mark, rest = path.partition("?")
    shape = "/".join(
        segment if not segment or _WORD.fullmatch(segment) else HIDDEN
        for segment in route.split("/")
    )
    if not mark:
        return shape
    return f"{shape}?{rest if query else HIDDEN}"


def _request(fields: Mapping[str, Any], settings: RedactionSettings) -> str:
    path = fields.get("path")
    shown = path_shape(path, query=not settings.query_strings) if path else "-"
    return f"{fields.get('method') or '-'} {shown} {fields.get('protocol') or '-'}"


def _mask(line: str, settings: RedactionSettings) -> str:
    masked = _EMAIL.sub(HIDDEN, line)
    if settings.addresses:
        head, mark, rest = masked.partition("] ")  # a time of day is no address
        masked = head + mark + _ADDRESS.sub(HIDDEN, rest) if mark else _ADDRESS.sub(HIDDEN, head)
    for pattern in settings.patterns:
        masked = re.sub(pattern, HIDDEN, masked)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in masked)


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _reason(value: object) -> str | None:
    return f'"{value}"' if value else None


def _unit(value: object, unit: str) -> str | None:
    return None if value is None else f"{value} {unit}"
