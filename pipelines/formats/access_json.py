"""Access log entries as JSON: Istio's default keys, old and new, and common custom ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pipelines.formats.keys import ISTIO_KEYS, field_of, spell, tells
from pipelines.formats.values import BadValueError, Reading, put, put_time

MAX_KEYS = 512
MAX_KEY = 128
STAMPS = frozenset({"@timestamp", "timestamp", "time", "ts", "date"})
MAX_DEPTH = 6
_FOREIGN = frozenset({"kubernetes", "k8s", "docker", "labels", "metadata", "agent", "ecs", "log"})
_POLICY = frozenset({"istio_policy_status"})
_EPOCH_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e8, 1.0))


def read(document: Mapping[str, Any], *, shipped: bool = False) -> Reading | None:
    """Read a JSON object, nested or not; None when it is no access log entry.

    It is one when it has response flags, or a response code beside a field that only a proxy
    writes, and two known fields at least.

    Args:
        document: the object.
        shipped: whether a shipper added keys of its own. Then ``time``, ``@timestamp`` and
            their like are the shipper's, and not when the request began.
    """
    pairs = flatten(document)
    return read_pairs(pair for pair in pairs if not (shipped and pair[0] in STAMPS))


def flatten(document: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[Pair]:
    """The leaves of a document as (dotted key, value), outer ones first.

    Objects in which shippers describe where a record comes from are left out.
    """
    nested = []
    for key, value in document.items():
        if not isinstance(value, Mapping):
            yield prefix + key, value
        elif depth < MAX_DEPTH and key not in _FOREIGN:
            nested.append((key, value))
    for key, value in nested:
        yield from flatten(value, f"{prefix}{key}.", depth + 1)


Pair = tuple[str, Any]


def read_pairs(pairs: Iterable[Pair]) -> Reading | None:
    """Read keys with their values, of whatever syntax they come from."""
    best: dict[str, tuple[int, Any]] = {}
    extra: dict[str, Any] = {}
    standard = True
    for number, (key, value) in enumerate(pairs):
        if number >= MAX_KEYS:
            break
        known = _find(key)
        if known is None:
            extra[key] = value
            standard = standard and key in _POLICY
            continue
        field, rank = known
        standard = standard and key in ISTIO_KEYS
        if field not in best or rank < best[field][0]:
            best[field] = (rank, value)
    telling = any(tells(field, rank) for field, (rank, _) in best.items())
    if not _is_access(best.keys(), telling=telling):
        return None
    reading = Reading("istio-json" if standard else "custom-json", {}, extra=extra)
    for field, (_, value) in best.items():
        if field == "start_time":
            put_any_time(reading, value)
        else:
            put(reading, field, value)
    return reading if _is_access(reading.fields.keys(), telling=telling) else None


def _find(key: str) -> tuple[str, int] | None:
    """The field of a key, by its whole dotted name or by its last parts."""
    return _find_short(key) if len(key) <= MAX_KEY else None


@lru_cache(maxsize=4096)
def _find_short(key: str) -> tuple[str, int] | None:
    whole = spell(key)
    if (known := field_of(whole)) is not None or "." not in whole:
        return known
    parts = whole.split(".")
    ends = (field_of("_".join(parts[at:])) for at in range(len(parts)))
    known = next((end for end in ends if end is not None), None)
    return None if known is None else (known[0], known[1] + 100)


def _is_access(names: Collection[str], *, telling: bool) -> bool:
    if len(names) < 2:
        return False
    return "response_flags" in names or ("response_code" in names and telling)


def put_any_time(reading: Reading, value: object) -> None:
    """Read a start time printed as ISO 8601 or as seconds, or parts of them, since 1970."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            put_time(reading, value)
        elif value is not None:
            reading.fields["start_time"] = from_epoch(value)
    except BadValueError:
        reading.partial = True


def from_epoch(value: object) -> datetime:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told by their size.

    Raises:
        BadValueError: ``bad-timestamp``.
    """
    try:
        number = float(value) if isinstance(value, (int, float, str)) else 0.0
        for least, unit in _EPOCH_UNITS:
            if number >= least:
                return datetime.fromtimestamp(number / unit, tz=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise BadValueError("bad-timestamp")
