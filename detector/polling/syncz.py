"""``/debug/syncz``: the proxies that are connected to one istiod, and what they were sent (pure).

Its shape changed over the versions: nonces under ``cluster_sent`` and ``cluster_acked`` up to 1.29,
``resources`` by type URL with times and errors from 1.30 on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from pipelines.events import proxy_name
from pipelines.formats.istio_log import parse_time

MAX_PROXIES = 100_000

_NONCES = {"CDS": "cluster", "LDS": "listener", "RDS": "route"}
_URLS = {"Cluster": "CDS", "Listener": "LDS", "RouteConfiguration": "RDS"}
"""Endpoints are left out: they are sent every few seconds."""


class NotSynczError(ValueError):
    """What was answered is something else."""


class Sent(NamedTuple):
    """What a proxy was sent of one type, and what it answered last."""

    sent: str
    acked: str
    at: datetime | None = None
    error: str | None = None


class Synced(NamedTuple):
    """One connected proxy."""

    proxy: str  # pod.namespace
    proxy_version: str | None
    types: Mapping[str, Sent]


def read(body: bytes) -> list[Synced]:
    """The proxies of an answer; entries that make no sense are left out.

    Raises:
        NotSynczError: it is no such list.
    """
    try:
        entries = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotSynczError("answers, but not with JSON") from error
    if entries is None:  # Go prints an empty list like this
        return []
    if not isinstance(entries, list):
        raise NotSynczError("answers, but not with a list of proxies")
    found = [one for entry in entries[:MAX_PROXIES] if (one := _entry(entry)) is not None]
    if entries and not found:
        raise NotSynczError("answers, but names no proxy")
    return found


def _entry(entry: object) -> Synced | None:
    if not isinstance(entry, dict):
        return None
    node = entry.get("proxy")
    name = proxy_name(node, connection=False) if isinstance(node, str) else None
    if name is None or len(name) > 500:
        return None
    resources = entry.get("resources")
    types = _resources(resources) if isinstance(resources, dict) else _nonces(entry)
    version = entry.get("istio_version")
    return Synced(name, version if isinstance(version, str) else None, types)


def _nonces(entry: dict[str, Any]) -> dict[str, Sent]:
    pairs = {
        kind: (entry.get(f"{word}_sent"), entry.get(f"{word}_acked"))
        for kind, word in _NONCES.items()
    }
    return {kind: Sent(_text(sent), _text(acked)) for kind, (sent, acked) in pairs.items() if sent}


def _resources(resources: dict[str, Any]) -> dict[str, Sent]:
    found = {}
    for url, told in resources.items():
        kind = _URLS.get(url.rpartition(".")[2])
        if kind is None or not isinstance(told, dict) or not told.get("sent"):
            continue
        at, error = told.get("sentTime"), told.get("lastError")
        found[kind] = Sent(
            _text(told.get("sent")),
            _text(told.get("acked")),
            parse_time(at) if isinstance(at, str) else None,
            _text(error) or None,
        )
    return found


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
