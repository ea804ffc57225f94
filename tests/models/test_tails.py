from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models import tails

MEANS = st.floats(1e-4, 1e4)
CLUMPS = st.floats(1.01, 50.0)


@given(mean=MEANS, clump=CLUMPS, above=st.floats(0.0, 30.0))
def test_the_surprise_is_close_to_the_exact_tail_and_never_above_it(
    mean: float, clump: float, above: float
) -> None:
    variance = mean * clump
    count = float(np.ceil(mean + above * np.sqrt(variance)) + 1)
    size = mean**2 / (variance - mean)
    exact = -stats.nbinom.logsf(count - 1, size, size / (size + mean)) / np.log(10)
    got = float(tails.surprise(np.array([count]), np.array([mean]), np.array([variance]))[0])
    if np.isfinite(exact) and exact < 200:
        assert got <= exact + 1e-6
        assert got >= exact - 1.0


@given(mean=MEANS, clump=CLUMPS, count=st.integers(0, 100_000))
def test_more_errors_are_never_less_surprising(mean: float, clump: float, count: int) -> None:
    counts = np.array([float(count), count + 1.0])
    means = np.full(2, mean)
    less, more = tails.surprise(counts, means, means * clump)
    assert np.isfinite(more)
    assert less <= more + 1e-9


def test_clumped_counts_surprise_less_than_even_ones() -> None:
    count, mean = np.array([40.0]), np.array([10.0])
    even = tails.surprise(count, mean, np.array([10.5]))
    clumped = tails.surprise(count, mean, np.array([60.0]))
    assert even > 2 * clumped


@pytest.mark.parametrize(("mean", "variance"), [(0.5, 1.0), (20.0, 30.0), (1000.0, 9000.0)])
def test_the_upper_bound_is_exceeded_about_once_in_a_thousand(mean: float, variance: float) -> None:
    bound = float(tails.upper(np.array([mean]), np.array([variance]))[0])
    size = mean**2 / (variance - mean)
    share = stats.nbinom.sf(bound, size, size / (size + mean))
    assert 2e-4 < share < 5e-3
