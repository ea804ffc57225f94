"""A few real lines for every kind of error, kept until an incident asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from detector.redaction import redact
from detector.settings import RedactionSettings
from detector.types import Incident
from pipelines.batch import Batch
from pipelines.envelopes import peel
from pipelines.formats.custom import AccessFormat
from pipelines.normalise import signal_expr
from pipelines.recognise import Entry, recognise

PER_KIND = 3
"""Lines kept of one kind of error in one slot: enough to see what they have in common."""
SLOT = timedelta(minutes=1)
MAX_KINDS = 20_000
"""Kinds remembered at the most, the oldest forgotten first: some 60,000 short lines, 20 MB."""


class Kind(NamedTuple):
    """One kind of error in one slot of time."""

    slot: datetime
    signal: str
    host: str  # of the upstream cluster, else the authority without port; "" when neither


Lines = list[tuple[datetime, str]]
"""Times and redacted lines, the earliest first."""


class ExemplarLog:
    """Redacted lines by kind of error: the earliest of each minute, whatever the batches.

    Args:
        settings: what a line may show.
        formats: accessLogFormats to read lines by, as the parser got them.
    """

    def __init__(self, settings: RedactionSettings, formats: Sequence[AccessFormat] = ()) -> None:
        self._settings = settings
        self._formats = formats
        self._lines: dict[Kind, Lines] = {}

    def add(self, batch: Batch, access: pl.DataFrame) -> None:
        """Look at the errors among a batch's access log entries.

        Args:
            batch: the raw records.
            access: what became of them, `pipelines.schema.ACCESS`.
        """
        for row in _first_errors(access).iter_rows(named=True):
            kind = Kind(row["slot"], row["signal"], row["host"] or "")
            kept = self._lines.setdefault(kind, [])
            if len(kept) == PER_KIND and row["time"] >= kept[-1][0]:
                continue
            value = batch.values[row["ordinal"]]
            line = None if value is None else self._line(value, batch, row)
            if line is not None:
                self._keep(kind, [(row["time"], line)])

    def merge(self, lines: Iterable[tuple[Kind, Lines]]) -> None:
        """Take in what another log has, see `kept`."""
        for kind, some in lines:
            self._keep(kind, some)

    def kept(self) -> list[tuple[Kind, Lines]]:
        """Everything, for another log to take in."""
        return list(self._lines.items())

    def forget(self, now: datetime, retention: timedelta) -> None:
        """Drop what is older than the retention, and the oldest beyond the bound."""
        stale = [kind for kind in self._lines if kind.slot < now - retention]
        surplus = len(self._lines) - len(stale) - MAX_KINDS
        if surplus > 0:
            fresh = sorted(kind for kind in self._lines if kind.slot >= now - retention)
            stale += fresh[:surplus]
        for kind in stale:
            del self._lines[kind]

    def of(self, incident: Incident) -> list[str]:
        """The earliest lines of an incident's signals and destinations since its start."""
        hosts = {s.destination for s in incident.series}
        signals = {s.signal for s in incident.series}
        end = incident.ended_at or datetime.max.replace(tzinfo=incident.started_at.tzinfo)
        fitting = [
            line
            for kind, lines in self._lines.items()
            if kind.signal in signals and _is_of(kind.host, hosts)
            for line in lines
            if incident.started_at <= line[0] <= end
        ]
        return [text for _, text in sorted(fitting)[:PER_KIND]]

    def snapshot(self) -> bytes:
        """Everything kept, to be stored."""
        return msgspec.msgpack.encode(self.kept())

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot."""
        self._lines = dict(msgspec.msgpack.decode(state, type=list[tuple[Kind, Lines]]))

    def _keep(self, kind: Kind, lines: Lines) -> None:
        """The earliest of what is kept and of ``lines``, each once."""
        self._lines[kind] = sorted({*self._lines.get(kind, ()), *lines})[:PER_KIND]

    def _line(self, value: bytes, batch: Batch, row: dict[str, object]) -> str | None:
        for record in peel(value):
            entry = recognise(record, kind=batch.kind, formats=self._formats)
            if entry.kind == "access" and _is_same(entry, row):
                return redact(entry.fields, entry.identity.pod, self._settings)
        return None


def _first_errors(access: pl.DataFrame) -> pl.DataFrame:
    """The earliest errors of each kind in a frame: few rows, whatever the frame's size."""
    host = pl.coalesce(
        pl.col("upstream_cluster").str.split("|").list.get(3, null_on_oob=True),
        pl.col("authority").str.split(":").list.first(),
    )
    return (
        access.lazy()
        .filter((pl.col("response_flags") != "-") | (pl.col("response_code") >= 400))
        .with_columns(
            pl.col("time").dt.truncate(SLOT).alias("slot"),
            signal_expr(pl.col("response_code"), pl.col("response_flags")).alias("signal"),
            host.str.strip_chars_end(";").str.to_lowercase().alias("host"),
        )
        .filter(pl.col("signal").is_not_null())
        .sort("time", "ordinal")
        .group_by("slot", "signal", "host", maintain_order=True)
        .head(PER_KIND)
        .collect()
    )


def _is_same(entry: Entry, row: dict[str, object]) -> bool:
    flags = ",".join(entry.fields.get("response_flags") or ()) or "-"
    printed = ",".join(sorted(str(row["response_flags"]).split(",")))
    return entry.fields.get("response_code") == row["response_code"] and flags == printed


def _is_of(host: str, destinations: set[str]) -> bool:
    """Whether a host as printed, maybe a short authority, means one of the destinations."""
    return (
        "*" in destinations
        or host in destinations
        or any(known.startswith(f"{host}.") for known in destinations if host)
    )
