from __future__ import annotations

import numpy as np
import pytest

from models.calibration import Peaks, U

WEEK, QUIET = 60480.0, 60


def peaks() -> Peaks:
    table = Peaks(WEEK, QUIET)
    table.grow(3)
    for row in (1, 2):
        table.begin(row, 0, (2.0, 1.0))
    return table


def burst(table: Peaks, at: int, surprise: float) -> None:
    table.learn(np.array([1]), np.array([surprise]), at)
    table.learn(np.zeros(0, dtype=np.int64), np.zeros(0), at + QUIET + 1)


def test_a_burst_of_many_buckets_is_one_peak() -> None:
    table = peaks()
    for step in range(30):
        table.learn(np.array([1]), np.array([U + 1.0 + step / 100]), step)
    assert table.count[1] == 0
    table.learn(np.zeros(0, dtype=np.int64), np.zeros(0), 30 + QUIET)
    assert table.count[1] == 1
    assert table.height[1] == pytest.approx(1.29)


def test_a_repeated_harmless_burst_surprises_less_each_time() -> None:
    table = peaks()
    rarity = []
    for time in range(5):
        rarity.append(float(table.rarity(np.array([1]), np.array([8.0]), 1000 * time)[0]))
        burst(table, 1000 * time, 8.0)
    assert rarity == sorted(rarity, reverse=True)
    assert rarity[4] < rarity[0] - 1.0


def test_one_outage_does_not_blind_a_row() -> None:
    table = peaks()
    burst(table, 0, 300.0)
    assert table.height[1] <= 6.0 * table.sigma[1]
    assert table.rarity(np.array([1]), np.array([300.0]), 1000)[0] > 4.0


def test_a_pool_of_quiet_rows_makes_a_peak_rarer() -> None:
    table = peaks()
    before = table.rarity(np.array([1]), np.array([6.0]), int(4 * WEEK))[0]
    table.pool(np.array([0, 1, 1]), np.array([0, 0]), np.array([0.0, 500.0]), int(4 * WEEK))
    assert table.rarity(np.array([1]), np.array([6.0]), int(4 * WEEK))[0] > before


def test_high_peaks_anywhere_make_the_same_peak_less_rare_for_rows_of_other_signals() -> None:
    table = peaks()
    groups, levels, silent = np.array([0, 1, 2]), np.array([0, 0, 0]), np.zeros(3)
    table.pool(groups, levels, silent, 1000)
    before = table.rarity(np.array([2]), np.array([12.0]), 1000)[0]
    for time in range(4):
        burst(table, 1000 * time, 9.0)
    table.pool(groups, levels, silent, 1000)
    assert table.sigma[2] > 1.0
    assert table.rarity(np.array([2]), np.array([12.0]), 1000)[0] < before
