"""What is normal, series by series, as the world sees it; and which of it is worth telling anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from detector.engine.alarms import SETTLED_S
from detector.engine.engine import Engine
from detector.types import Series
from models.contract import Flags, Floats, Ints

MOVED = 0.1
"""Share by which a usual rate has to move to be told anew: less than what anybody acts on, and so
large that rates, which forget by the day, are told a few times a day instead of every step."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What is normal for one series.

    Attributes:
        series: of one edge; aggregates have none of their own.
        since: start of the bucket of the first request of its edge.
        settles_at: event time from which an alarm needs no more than its usual excess, once the
            edge is judged; see `detector.engine.standing.standings`.
        judged: whether errors can alarm at all yet.
        counted: whether successes are no longer logged, so that failures are counted.
        rate: failures per request that are usual.
    """

    series: Series
    since: datetime
    settles_at: datetime
    judged: bool
    counted: bool
    rate: float


@dataclass(frozen=True, slots=True)
class BaselineRows:
    """What changed of the baselines.

    Attributes:
        changed: those that are new or moved.
        gone: those of series that made room for others.
        whole: whether ``changed`` are all there are, in place of whatever was told before.
    """

    changed: Sequence[Baseline] = ()
    gone: Sequence[Series] = ()
    whole: bool = False


class Publisher:
    """Hands out the baselines that changed, each once; all of them the first time.

    Args:
        engine: whose baselines they are.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keys: list[Series | None] | None = None  # as told, by row
        self._rates: Floats = np.zeros(0)
        self._judged: Flags = np.zeros(0, dtype=np.bool_)
        self._counted: Flags = np.zeros(0, dtype=np.bool_)

    def take(self) -> BaselineRows:
        """What changed since the last call."""
        cat = self._engine.catalogue
        edge, size = cat.ties.edge, cat.keys.capacity
        rates = cat.rates.rate()
        judged, counted = cat.exposure.judged()[edge], cat.volumes.counted()[edge]
        more = (0, size - self._rates.size)
        old = np.pad(self._rates, more)
        stays = (edge > 0) & (np.abs(rates - old) <= MOVED * old)
        stays &= judged == np.pad(self._judged, more)
        stays &= counted == np.pad(self._counted, more)
        keys = [key if own else None for key, own in zip(cat.keys.keys, edge > 0, strict=False)]
        told = self._keys or []
        strangers = [
            row for row, key in enumerate(keys) if row >= len(told) or key is not told[row]
        ]
        stays[strangers] = False
        rows = np.flatnonzero((edge > 0) & ~stays)
        known = {key for key in keys if key is not None}
        gone = [key for key in told if key is not None and key not in known]
        whole = self._keys is None
        self._keys = keys
        self._rates = np.where(stays, old, rates)
        self._judged, self._counted = judged, counted
        return BaselineRows(self._baselines(rows, rates, judged, counted), gone, whole)

    def _baselines(
        self, rows: Ints, rates: Floats, judged: Flags, counted: Flags
    ) -> list[Baseline]:
        engine, cat = self._engine, self._engine.catalogue
        settled = self._time(engine.position[1] + 1) + timedelta(seconds=SETTLED_S)
        warm = timedelta(seconds=engine.settings.warmup_s)
        born = cat.exposure.born[cat.ties.edge[rows]]
        return [
            Baseline(
                series=cat.keys.key(row),
                since=(since := self._time(index)),
                settles_at=max(settled, since + warm),
                judged=bool(judged[row]),
                counted=bool(counted[row]),
                rate=float(rates[row]),
            )
            for row, index in zip(rows.tolist(), born.tolist(), strict=True)
        ]

    def _time(self, index: int) -> datetime:
        """Start of a bucket."""
        return _EPOCH + index * self._engine.step
