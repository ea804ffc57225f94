"""Collecting what the careful path recognised, record by record, into frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines import schema
from pipelines.columns_checks import MAX_DURATION_MS, PROBE
from pipelines.recognise import Entry
from pipelines.record import Record

_SAMPLE = 200
_MAX_REJECTS = 1_000
_COPIED = [name for name in schema.ACCESS if name not in ("ordinal", "time", "response_flags")]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A batch as frames.

    ``counts`` holds how many entries of each sort the batch had, by ``kind/format``
    (``access/istio-json``, ``agent/...``), plus ``reject/REASON`` for what fits nothing,
    ``probe`` for health checks, which are access log entries that no frame keeps, and
    ``partial`` for pieces of a line that is not complete yet. Their sum is the number of
    records in the batch: one a message, or more where a message holds many. ``rejects`` names
    each message that holds one, and of each batch the first 1,000 rejects of each reason.
    """

    access: pl.DataFrame
    control: pl.DataFrame
    rejects: pl.DataFrame
    counts: dict[str, int]


class Collector:
    """Frames in the making."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._access: list[dict[str, Any]] = []
        self._control: list[dict[str, Any]] = []
        self._rejects: list[tuple[int, str, str]] = []

    def add(self, ordinal: int, value: bytes | None, record: Record, entry: Entry) -> None:
        """Take one recognised record of the message at ``ordinal``."""
        if entry.event is not None:
            self._control.append(entry.event)
        if entry.kind == "reject":
            self._reject(ordinal, value, entry.reason or "unknown")
        elif entry.kind != "access":
            self.counts[f"{entry.kind}/{entry.format}"] += 1
        elif (row := _access_row(ordinal, record, entry)) is None:
            self._reject(ordinal, value, "incomplete")
        elif (entry.fields.get("user_agent") or "").startswith(PROBE):
            self.counts["probe"] += 1
        else:
            self.counts[f"access/{entry.format}"] += 1
            self._access.append(row)

    def add_event(self, row: dict[str, Any], form: str) -> None:
        """Take a control-plane event that was read at once, under the name of its format."""
        self._control.append(row)
        self.counts[f"istiod/{form}"] += 1

    def frames(self, fast: Sequence[pl.DataFrame]) -> Parsed:
        """Everything collected, after what the fast path read."""
        tables = [table.select(*schema.ACCESS) for table in fast]
        if self._access:
            tables.append(pl.DataFrame(self._access, schema=schema.ACCESS))
        access = pl.concat(tables) if tables else schema.empty(schema.ACCESS)
        return Parsed(
            access=access,
            control=pl.DataFrame(self._control, schema=schema.CONTROL),
            rejects=pl.DataFrame(self._rejects, schema=schema.REJECTS, orient="row"),
            counts={name: count for name, count in self.counts.items() if count},
        )

    def _reject(self, ordinal: int, value: bytes | None, reason: str) -> None:
        self.counts[f"reject/{reason}"] += 1
        is_new = not self._rejects or self._rejects[-1][0] != ordinal
        if is_new or self.counts[f"reject/{reason}"] <= _MAX_REJECTS:
            sample = (value or b"")[: 4 * _SAMPLE].decode(errors="replace")[:_SAMPLE]
            self._rejects.append((ordinal, reason, sample))


def _access_row(ordinal: int, record: Record, entry: Entry) -> dict[str, Any] | None:
    """A row of schema.ACCESS; None when the entry lacks a time or a response code."""
    fields = entry.fields
    start = fields.get("start_time")
    end = _end(start, fields.get("duration_ms")) if start else record.time
    code = fields.get("response_code")
    if end is None or not isinstance(code, int) or not 0 <= code <= 999:
        return None
    identity = entry.identity
    row = {name: fields.get(name) for name in _COPIED}
    row |= {
        "ordinal": ordinal,
        "time": end,
        "pod": identity.pod,
        "namespace": identity.namespace,
        "workload": identity.workload,
        "proxy_version": identity.proxy_version,
        "response_flags": ",".join(fields.get("response_flags") or ()) or "-",
    }
    return row


def _end(start: datetime, duration_ms: int | None) -> datetime | None:
    """When the response ended; None outside the years that a time can have."""
    if duration_ms is None:
        return start.astimezone(UTC)
    if not 0 <= duration_ms <= MAX_DURATION_MS:
        return None
    try:
        return start.astimezone(UTC) + timedelta(milliseconds=duration_ms)
    except OverflowError:
        return None
