"""How far in event time a batch reaches."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

_SANE_SHARE = 0.99


def reached(access: pl.Series, control: pl.Series) -> datetime | None:
    """The event time that all but one in a hundred entries of a batch lie before or at.

    Entries with a wrong clock so do not move it; None when nothing in the batch has a time.
    """
    times = access if len(access) else control
    if times.is_empty():
        return None
    value = times.to_physical().quantile(_SANE_SHARE, interpolation="lower")
    return None if value is None else datetime.fromtimestamp(value / 1e6, tz=UTC)
