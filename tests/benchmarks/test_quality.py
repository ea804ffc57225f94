"""A small mesh through the whole detector, against regressions; docs/quality.md has the figures."""

from __future__ import annotations

import pytest

from benchmarks.detection.evaluate import Outcome, detect, hold_against
from benchmarks.detection.figures import figures
from benchmarks.detection.simulate import simulate
from detector.settings import Settings

pytestmark = pytest.mark.timeout(900)  # half a minute, on a machine of its own

TUNED = 2  # a seed for tuning: no evaluation seed is spent on every commit


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A day of 16 services with eleven faults, from barely visible to large."""
    folder = tmp_path_factory.mktemp("mesh")
    simulate(folder, TUNED, services=16, days=1.0)
    return hold_against(detect(folder, Settings()), folder)


def test_most_faults_are_found_once_and_nothing_else_is(outcome: Outcome) -> None:
    found = [bool(about) for _, about in outcome.found]
    assert len(found) == 11
    assert sum(found) >= 8  # 9 when this was written
    assert outcome.false == []
    assert figures(outcome)["incidents_per_hit"] == 1.0


def test_no_fault_of_300_errors_or_more_is_missed(outcome: Outcome) -> None:
    large = [about for label, about in outcome.found if int(str(label["excess"])) >= 300]
    assert len(large) >= 3
    assert all(large)


def test_causes_are_named_right(outcome: Outcome) -> None:
    right = figures(outcome)["cause_right"]
    assert isinstance(right, float)
    assert right >= 0.85  # eight of nine when this was written
