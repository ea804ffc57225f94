from __future__ import annotations

import numpy as np
import pytest

from models.clumps import Clumps
from models.contract import Floats, Ints
from models.spans import SPANS

GROUPS: Ints = np.array([0, 1, 1, 2])  # of four rows
TEACH = np.array([False, True, True, True])
RARE: Floats = np.full((len(SPANS), 4), 0.01)


def learnt(sizes: Floats, half_life: float = 1e9) -> Clumps:
    """Each size as a clump of the first row, in a bucket of its own."""
    clumps = Clumps(half_life)
    for at, size in enumerate(sizes.tolist(), start=1):
        recent = np.zeros((len(SPANS), 4))
        recent[:, 1] = size
        clumps.learn(recent, RARE, at, GROUPS, TEACH)
    return clumps


def test_before_anything_was_seen_clumps_add_the_mean_once() -> None:
    np.testing.assert_allclose(Clumps(100.0).factors(GROUPS), 1.0)


@pytest.mark.parametrize("mean", [1.0, 2.0, 6.0])
def test_the_variance_of_geometric_clumps_is_found(mean: float) -> None:
    sizes = np.random.default_rng(1).geometric(1.0 / mean, 3000).astype(np.float64)
    found = learnt(sizes).factors(GROUPS)
    assert found[0, 1] == pytest.approx(2.0 * (mean - 1.0), rel=0.1, abs=0.05)
    assert found[0, 1] == found[0, 2]  # rows of a group share it
    assert found[0, 3] == 1.0  # and only they


def test_one_outage_is_no_habit() -> None:
    sizes = np.ones(200)
    sizes[50] = 1e6
    assert learnt(sizes).factors(GROUPS)[0, 1] < 2.0


def test_what_was_expected_or_must_not_teach_is_left_out() -> None:
    clumps, recent = Clumps(100.0), np.full((len(SPANS), 4), 50.0)
    clumps.learn(recent, np.full_like(RARE, 20.0), 1, GROUPS, TEACH)
    clumps.learn(recent, RARE, 2, GROUPS, np.zeros(4, dtype=np.bool_))
    np.testing.assert_allclose(clumps.factors(GROUPS), 1.0)


def test_longer_scales_learn_when_their_spans_end() -> None:
    found = learnt(np.full(2 * SPANS[1], 4.0)).factors(GROUPS)
    assert found[0, 1] > found[1, 1] > 1.0
    assert found[-1, 1] == 1.0


def test_a_restored_bank_of_clumps_lends_the_same() -> None:
    clumps, copy = learnt(np.full(30, 5.0)), Clumps(1e9)
    copy.load(clumps.state())
    np.testing.assert_array_equal(copy.factors(GROUPS), clumps.factors(GROUPS))
