"""A small mesh through the whole detector, against regressions; docs/quality.md has the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.detection.evaluate import detect, hold_against
from benchmarks.detection.figures import figures
from benchmarks.detection.simulate import simulate
from detector.settings import Settings

TUNED = 2  # a seed for tuning: no evaluation seed is spent on every commit


@pytest.mark.no_cover
@pytest.mark.timeout(900)  # half a minute, on a machine of its own
def test_a_day_of_eleven_faults_in_16_services_is_told_as_well_as_ever(tmp_path: Path) -> None:
    simulate(tmp_path, TUNED, services=16, days=1.0)
    outcome = hold_against(detect(tmp_path, Settings()), tmp_path)

    found = [bool(about) for _, about in outcome.found]
    assert len(found) == 11
    assert sum(found) >= 8  # 9 when this was written
    assert outcome.false == []
    assert figures(outcome)["incidents_per_hit"] == 1.0

    large = [about for label, about in outcome.found if int(str(label["excess"])) >= 300]
    assert len(large) >= 3
    assert all(large)

    right = figures(outcome)["cause_right"]
    assert isinstance(right, float)
    assert right >= 0.85  # eight of nine when this was written
