"""How a line was understood, as plain JSON values: what ``pushwake explain --json`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pipelines.batch import Kind
from pipelines.envelopes import peel
from pipelines.formats.custom import AccessFormat
from pipelines.recognise import Entry, recognise
from pipelines.schema import FIELDS, IDENTITY


def explain(
    value: bytes, kind: Kind = "auto", formats: Sequence[AccessFormat] = ()
) -> list[dict[str, Any]]:
    """One dict for each record in a message; never raises.

    Each has ``kind``, ``format``, ``fields`` and ``reason`` (of a reject, else None), and where
    they say something ``partial`` (true), ``envelope``, ``identity``, ``hint``, ``extra`` and
    ``event``. Fields are in schema order and times RFC 3339 in UTC with the digits of a second
    that were printed, six at most.
    """
    answers = []
    for record in peel(value):
        answer = shape(recognise(record, kind=kind, formats=formats))
        if record.envelope != "bare":
            answer["envelope"] = record.envelope
        answers.append(answer)
    return answers


def shape(entry: Entry) -> dict[str, Any]:
    """An entry as JSON-able values."""
    fields = dict(entry.fields)
    hint, extra = fields.pop("hint", None), fields.pop("extra", None)
    names = [name for name in FIELDS if name in fields] if entry.kind == "access" else list(fields)
    answer: dict[str, Any] = {
        "kind": entry.kind,
        "format": entry.format,
        "fields": {name: _plain(fields[name], entry.precision) for name in names},
        "reason": entry.reason,
    }
    if entry.partial:
        answer["partial"] = True
    identity = {name: getattr(entry.identity, name) for name in IDENTITY}
    if any(identity.values()):
        answer["identity"] = {name: text for name, text in identity.items() if text is not None}
    if hint is not None:
        answer["hint"] = hint
    if extra:
        answer["extra"] = _plain(extra, 6)
    if entry.event is not None:
        answer["event"] = {
            name: _plain(value, 6) for name, value in entry.event.items() if value is not None
        }
    return answer


def _plain(value: object, precision: int) -> object:
    """``value`` with its times, and whatever else JSON has no word for, as text."""
    if isinstance(value, datetime):
        return print_time(value, precision)
    if isinstance(value, dict):
        return {str(key): _plain(one, precision) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, precision) for one in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    return repr(value)


def print_time(time: datetime, precision: int) -> str:
    """RFC 3339 in UTC with ``precision`` digits of a second, six at most."""
    utc = time.astimezone(UTC)
    digits = min(precision, 6)
    fraction = f".{utc.microsecond:06d}"[: digits + 1] if digits else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"
