"""How far the engine knows each series: still learning, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.engine.alarms import SETTLED_S
from detector.engine.engine import Engine
from detector.types import Series
from models.exposure import BURN_IN


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one series.

    Attributes:
        series: of one edge; aggregates have no standing of their own.
        known_s: since the first request of its edge.
        judged: whether errors can alarm at all yet.
        left_s: until it is judged like any other; 0 when it is. Needs traffic to go down.
        rate: failures per request that are usual.
        counted: whether successes are no longer logged, so that failures are counted.
    """

    series: Series
    known_s: float
    judged: bool
    left_s: float
    rate: float
    counted: bool


def standings(engine: Engine) -> list[Standing]:
    """The standing of every series, by name.

    An edge is not judged in its first `BURN_IN`; a series younger than ``warmup_s`` and all of a
    mesh younger than `SETTLED_S` need twice the excess to alarm.
    """
    cat, bucket_s = engine.catalogue, engine.settings.bucket_s
    now, born, _ = engine.position
    settled = SETTLED_S - (now - born) * bucket_s
    judged, counted = cat.exposure.judged(), cat.volumes.counted()
    rates = cat.rates.rate()
    found = []
    for row in np.flatnonzero(cat.ties.edge > 0).tolist():
        edge = int(cat.ties.edge[row])
        known = (now - int(cat.exposure.born[edge]) + 1) * bucket_s
        burning = (BURN_IN[0] + 1 - int(cat.exposure.seen[edge])) * bucket_s
        left = max(settled, engine.settings.warmup_s - known, burning, 0)
        found.append(
            Standing(
                cat.keys.key(row),
                float(known),
                bool(judged[edge]),
                float(left),
                float(rates[row]),
                bool(counted[edge]),
            )
        )
    return sorted(found, key=lambda one: one.series)
