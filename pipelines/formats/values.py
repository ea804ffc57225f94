"""From printed text to the values of schema.FIELDS, and what every reader hands back.

A reader returns a :class:`Reading` or ``None`` when the input is not of its kind. A value that
cannot be what its place demands raises :class:`BadValueError`; the reader then leaves the field
out and calls the reading partial, so that no wrong value passes silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

TIMESTAMP = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
FLAGS = r"(?:-|[A-Z][A-Z0-9_]{0,31}(?:,[A-Z][A-Z0-9_]{0,31}){0,31})"
ELIDED = ("...", "…")
MAX_INTEGER = 2**63 - 1

_TIMESTAMP = re.compile(TIMESTAMP)
_ZONELESS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")
_FLAGS = re.compile(FLAGS)
_INTEGER = re.compile(r"[0-9]{1,19}(?:\.0{1,9})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PROTOCOL = re.compile(r"HTTP/(?:0\.9|1\.0|1\.1|2|2\.0|3|3\.0)")
_ADDRESS_LIST = re.compile(r"-|[0-9A-Fa-fxX.:]{2,45}(?:, ?[0-9A-Fa-fxX.:]{2,45}){0,63}")
_BARE_NUMBER = re.compile(r"[0-9:]*")


class BadValueError(ValueError):
    """A value that cannot stand in its field; ``reason`` is a code of pipelines.recognise."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Reading:
    """What a reader made of one line or document.

    ``fields`` holds names of schema.FIELDS. It may hold two more: ``hint``, a guess at the
    cause of a local reply where the layout does not print one, and ``extra``, what a custom
    format prints beyond schema.FIELDS. ``partial`` says that something is missing or had to be
    repaired; what is there is certain. ``precision`` is the number of digits of a second that
    ``start_time`` was printed with.
    """

    format: str
    fields: dict[str, Any]
    partial: bool = False
    precision: int = 3
    extra: dict[str, Any] = field(default_factory=dict)


def moment(text: str) -> datetime:
    """An ISO 8601 time with its zone, in UTC.

    Raises:
        BadValueError: ``bad-timestamp``.
    """
    if not _TIMESTAMP.fullmatch(text):
        raise BadValueError("bad-timestamp")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadValueError("bad-timestamp") from None


def precision_of(text: str) -> int:
    """Digits printed after the second's point; 0 without a point."""
    found = re.search(r"\.([0-9]+)", text)
    return len(found.group(1)) if found else 0


def integer(value: object) -> int | None:
    """A count: an integer, or a float or text that is one; ``-`` and null are None.

    Istio 1.22 printed JSON numbers as floats (``200.0``), and Istio up to 1.7 as strings.

    Raises:
        BadValueError: ``bad-number``.
    """
    if value is None or value in ("-", ""):
        return None
    if isinstance(value, bool):
        raise BadValueError("bad-number")
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_INTEGER:
        value = int(value)
    if isinstance(value, str):
        value = value.removesuffix("ms")
        if _INTEGER.fullmatch(value):
            value = int(value.partition(".")[0])
    if not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise BadValueError("bad-number")
    return value


def code(value: object) -> int | None:
    """A response code: 0 when none was sent, else three digits.

    Raises:
        BadValueError: ``bad-number``.
    """
    number = integer(value)
    if number is not None and number > 999:
        raise BadValueError("bad-number")
    return number


def flags(value: object) -> list[str]:
    """Response flags as printed; empty for ``-``. The set is open: unknown flags are kept.

    Raises:
        BadValueError: ``bad-flags``.
    """
    if isinstance(value, list):
        value = ",".join(str(one) for one in value)
    if value is None or value in ("-", ""):
        return []
    if not isinstance(value, str) or not _FLAGS.fullmatch(value):
        raise BadValueError("bad-flags")
    return value.split(",")


def text(value: object) -> str | None:
    """Text as printed; ``-``, nothing and null are None.

    Raises:
        BadValueError: ``bad-text`` for a list, an object, or a value that a person shortened
            to ``9c41...``.
    """
    if value is None or value in ("-", ""):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or value.endswith(ELIDED):
        raise BadValueError("bad-text")
    return value


def identifier(value: object) -> str | None:
    """An id: text of ASCII characters, unless a blog made its hyphens into dashes.

    Raises:
        BadValueError: ``bad-text``.
    """
    printed = text(value)
    if printed is not None and not printed.isascii():
        raise BadValueError("bad-text")
    return printed


def protocol(value: object) -> str | None:
    """``HTTP/1.1`` and its like.

    Raises:
        BadValueError: ``bad-text``.
    """
    printed = text(value)
    if printed is not None and not _PROTOCOL.fullmatch(printed):
        raise BadValueError("bad-text")
    return printed


def address(value: object) -> str | None:
    """An address as Envoy prints it; digits with a port alone are none.

    Raises:
        BadValueError: ``bad-text``.
    """
    printed = text(value)
    if printed is not None and (_BARE_NUMBER.fullmatch(printed) or " " in printed):
        raise BadValueError("bad-text")
    return printed


def forwarded(value: object) -> str | None:
    """X-Forwarded-For.

    Raises:
        BadValueError: ``bad-text`` when it is a mere number.
    """
    printed = text(value)
    if printed is not None and _BARE_NUMBER.fullmatch(printed):
        raise BadValueError("bad-text")
    return printed


def is_request_id(value: str) -> bool:
    """Whether Envoy could have made this request id: a UUID."""
    return _UUID.fullmatch(value) is not None


def is_address_list(value: str) -> bool:
    """Whether this is ``-`` or a list of IP addresses and nothing else."""
    return _ADDRESS_LIST.fullmatch(value) is not None and not _BARE_NUMBER.fullmatch(value)


READ = {
    "method": text,
    "path": text,
    "protocol": protocol,
    "response_code": code,
    "response_flags": flags,
    "response_code_details": text,
    "connection_termination_details": text,
    "upstream_transport_failure_reason": text,
    "bytes_received": integer,
    "bytes_sent": integer,
    "duration_ms": integer,
    "upstream_service_time_ms": integer,
    "x_forwarded_for": forwarded,
    "user_agent": text,
    "request_id": identifier,
    "authority": text,
    "upstream_host": address,
    "upstream_cluster": text,
    "upstream_local_address": address,
    "downstream_local_address": address,
    "downstream_remote_address": address,
    "requested_server_name": text,
    "route_name": text,
}
"""How the printed value of each field but ``start_time`` is read."""


def put(reading: Reading, name: str, value: object) -> None:
    """Read ``value`` into the field ``name``; a value that cannot be makes the reading partial."""
    try:
        reading.fields[name] = READ[name](value)
    except BadValueError:
        reading.partial = True


def put_time(reading: Reading, value: str) -> None:
    """Read a printed ISO time into ``start_time``, remembering its precision.

    Envoy's times are UTC, so a time without a zone, or with a space for its T, is read as UTC.
    """
    if _ZONELESS.fullmatch(value):
        value = f"{value.replace(' ', 'T')}Z"
    try:
        reading.fields["start_time"] = moment(value)
        reading.precision = precision_of(value)
    except BadValueError:
        reading.partial = True
