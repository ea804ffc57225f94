"""Accept a lasting shift, never an outage.

A row in alarm learns nothing, so a service that has changed for good would alarm for ever. The
rule: after 90 minutes in alarm, if ADWIN (Bifet and Gavalda, Learning from Time-Changing Data with
Adaptive Windowing, SDM 2007; river's implementation) sees no change in the last 30 minutes and
fewer than half of the requests fail, the new level is the normal one. The incident has then been
reported once. Where half of the requests or more fail, that is an outage, however long it lasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

PATIENCE_MIN = 90
STEADY_MIN = 30
OUTAGE_SHARE = 0.5


class _DriftDetector(Protocol):
    """What is used of river's untyped drift detectors."""

    @property
    def drift_detected(self) -> bool: ...

    def update(self, x: float) -> object: ...


def _adwin(*, delta: float, clock: int, min_window_length: int) -> _DriftDetector:
    """ADWIN of `river.drift`, which brings scipy.stats and data sets along: a second of CPU.

    So it is loaded when the first alarm has lasted long enough, not by each command at its start.
    """
    detector = import_module("river.drift").ADWIN
    made = detector(delta=delta, clock=clock, min_window_length=min_window_length)
    return cast(_DriftDetector, made)


def settled(shares: Sequence[float]) -> bool:
    """Whether the level of an alarm should count as normal from now on.

    A fresh detector reads the whole alarm each time, so nothing but the shares needs to be kept.
    Values are brought to [0, 1] by the largest of them, as ADWIN's bound assumes, so that small
    shares count as much as large ones. What is not finite is passed over, since river keeps a
    NaN for good.

    Args:
        shares: Share of failing requests in each minute of the alarm, oldest first.
    """
    known = [min(max(share, 0.0), 1.0) for share in shares if math.isfinite(share)]
    if len(known) < PATIENCE_MIN or sum(known[-STEADY_MIN:]) >= OUTAGE_SHARE * STEADY_MIN:
        return False
    detector = _adwin(delta=0.002, clock=1, min_window_length=5)
    highest, changed = max(*known, 1e-12), 0
    for minute, share in enumerate(known):
        detector.update(share / highest)
        if detector.drift_detected:
            changed = minute
    return len(known) - changed >= STEADY_MIN
