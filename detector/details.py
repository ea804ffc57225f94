"""The counts behind an incident, kept for its page: bounded, packed, and written with it.

What the report of a replay draws from memory, the web process draws from these.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta

import msgspec
import polars as pl

from detector.moments import packed, unpacked
from detector.report.detail import IncidentDetail
from detector.types import Incident, Series

MAX_ROWS = 20_000
"""Rows of moments kept of one incident; more are told by ever longer stretches of time."""
_WIDTHS = ("100ms", "1s", "10s", "1m", "10m", "1h")


class Detail(msgspec.Struct, frozen=True, array_like=True):
    """The counts as they are stored."""

    series: list[Series]
    history: bytes
    moments: bytes


class DetailLog:
    """The details that are new since they were last taken.

    Args:
        context: how much of the time before an incident is kept with it.
    """

    def __init__(self, context: timedelta) -> None:
        self._context = context
        self._new: dict[str, IncidentDetail] = {}

    def note(self, incident: Incident, history: pl.DataFrame, moments: pl.DataFrame) -> None:
        """Keep the counts of an incident as of now; they replace those of before."""
        recent = pl.col("time") >= incident.started_at - self._context
        self._new[incident.id] = IncidentDetail(
            copy(incident), history.filter(recent), moments.filter(recent)
        )

    def take(self) -> dict[str, bytes]:
        """The packed details since the last call, by incident."""
        taken, self._new = self._new, {}
        return {name: pack(detail) for name, detail in taken.items()}


def pack(detail: IncidentDetail) -> bytes:
    """Details as bytes to be stored."""
    fewer = coarser(detail.moments, MAX_ROWS)
    kept = Detail(detail.incident.series, packed(detail.history), packed(fewer))
    return msgspec.msgpack.encode(kept)


def unpack(incident: Incident, body: bytes) -> IncidentDetail:
    """The details of an incident, which gets the series that they tell of."""
    kept = msgspec.msgpack.decode(body, type=Detail)
    incident.series = kept.series
    return IncidentDetail(incident, unpacked(kept.history), unpacked(kept.moments))


def coarser(moments: pl.DataFrame, most: int) -> pl.DataFrame:
    """``moments`` in at most ``most`` rows: summed over longer times, then without their pods.

    Counts stay the same unless even that is too much; then the rows with most errors are kept.
    """
    names = [name for name in moments.columns if name != "count"]
    fewer = moments
    for width in _WIDTHS:
        if fewer.height <= most:
            return fewer
        fewer = _summed(fewer.with_columns(pl.col("time").dt.truncate(width)), names, moments)
    if fewer.height > most:
        nobody = pl.lit(None, pl.String)
        told = ("source_pod", "destination_pod", "details")
        bare = fewer.with_columns(nobody.alias(name) for name in told)
        fewer = _summed(bare, names, moments)
    return fewer.top_k(most, by="count").sort("time") if fewer.height > most else fewer


def _summed(rows: pl.DataFrame, names: list[str], like: pl.DataFrame) -> pl.DataFrame:
    sums = rows.group_by(names, maintain_order=True).agg(pl.col("count").sum())
    return sums.select(like.columns).cast(like.schema).sort("time", maintain_order=True)
