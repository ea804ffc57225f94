"""What there is to show of an incident."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from detector.types import Incident


@dataclass(frozen=True, slots=True, eq=False)
class IncidentDetail:
    """An incident and the counts behind it.

    ``history`` has the columns time, reporter, source, destination, signal, errors, requests,
    expected (buckets with errors only); ``moments`` is a ``pipelines.schema.MOMENTS`` frame,
    empty when the input carried counts only.
    """

    incident: Incident
    history: pl.DataFrame
    moments: pl.DataFrame
