from __future__ import annotations

import numpy as np
import pytest

from models.promise import Promise

WEEK, BLOCK = 60480, 60


def watched(peaks: list[float], weeks: float = 1.0) -> Promise:
    promise = Promise(WEEK, BLOCK)
    step = int(weeks * WEEK / (len(peaks) + 1))
    for number, peak in enumerate(peaks, start=1):
        promise.watch(peak, number * step)
    return promise


def limit(promise: Promise, budget: float = 1.0, weeks: float = 1.0) -> float:
    return promise.limit(3000, budget, int(weeks * WEEK), int(weeks * WEEK))


def ordinary(rows: float, slope: float, seed: int) -> list[float]:
    """A week of blocks whose rate above L is rows 10^(-slope L)."""
    rng = np.random.default_rng(seed)
    number = int(rows * 10 ** (-slope * 0.5))
    return [0.5 + float(x) for x in rng.exponential(1 / slope / np.log(10), number)]


def test_before_anything_was_seen_the_limit_is_that_of_all_rows_alarming_alone() -> None:
    assert limit(Promise(WEEK, BLOCK), weeks=0.0) == pytest.approx(np.log10(3000), abs=0.05)


@pytest.mark.parametrize("slope", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("budget", [1.0, 5.0])
def test_the_limit_is_exceeded_as_often_as_promised(slope: float, budget: float) -> None:
    exceeded = []
    for seed in range(20):
        found = limit(watched(ordinary(500, slope, seed)), budget)
        exceeded.append(500 * 10 ** (-slope * found))
    assert np.mean(exceeded) <= 1.3 * budget
    assert np.mean(exceeded) >= 0.3 * budget


def test_faults_far_above_the_ordinary_do_not_make_the_mesh_deaf() -> None:
    usual = ordinary(500, 1.5, 1)
    quiet, troubled = watched(usual), watched([*usual, *[6.0] * 100])
    assert abs(limit(troubled) - limit(quiet)) < 0.1


def test_one_moment_counts_once_however_many_rows_it_moves() -> None:
    once, often = Promise(WEEK, BLOCK), Promise(WEEK, BLOCK)
    for block in range(100):
        once.watch(1.0, block * BLOCK)
        for bucket in range(BLOCK):
            often.watch(1.0, block * BLOCK + bucket)
    assert limit(once) == limit(often)


def test_a_restored_promise_gives_the_same_limit() -> None:
    promise = watched(ordinary(500, 1.5, 3))
    copy = Promise(WEEK, BLOCK)
    copy.load(promise.state())
    for one in (promise, copy):
        one.watch(2.0, WEEK + 1)
    assert limit(copy) == limit(promise)
