from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rates import Rates


def rates(rows: int = 2, half_life: float = 100.0) -> Rates:
    table = Rates(half_life)
    table.grow(rows + 1)
    for row in range(1, rows + 1):
        table.begin(row, 1e-4, 0.0)
    return table


def nobody(table: Rates) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.zeros(table.failures.size, dtype=np.bool_)


def test_without_data_the_prior_speaks() -> None:
    assert rates().rate()[1] == pytest.approx(1e-4)


def test_a_rate_follows_the_evidence() -> None:
    table = rates()
    for _ in range(50):
        table.learn(np.array([0.0, 5.0, 0.0]), np.array([0.0, 100.0, 100.0]), nobody(table))
    assert table.rate()[1] == pytest.approx(0.05, rel=0.05)
    assert table.rate()[2] < 1e-4


def test_a_few_failures_outweigh_a_prior_that_is_wrong_by_decades() -> None:
    table = rates()
    table.begin(1, 1e-6, 0.0)
    table.learn(np.array([0.0, 3.0, 0.0]), np.array([0.0, 100.0, 0.0]), nobody(table))
    assert table.rate()[1] > 1e-4


def test_a_series_forgets_only_while_it_has_traffic() -> None:
    table = rates()
    table.learn(np.array([0.0, 5.0, 5.0]), np.array([0.0, 100.0, 100.0]), nobody(table))
    for _ in range(100):
        table.learn(np.zeros(3), np.array([0.0, 0.0, 100.0]), nobody(table))
    assert table.failures[1] == 5.0
    assert table.failures[2] == pytest.approx(2.5)


def test_a_held_row_neither_learns_nor_forgets() -> None:
    table = rates()
    held = np.array([False, True, False])
    table.learn(np.array([0.0, 5.0, 5.0]), np.array([0.0, 9.0, 9.0]), held)
    assert table.failures.tolist() == [0.0, 0.0, 5.0]


def test_a_pool_learns_from_edges_that_never_showed_the_signal() -> None:
    domain, groups = np.array([1e-4, 1e-4]), np.array([0, 1, 0])
    few, many = rates(), rates()
    rare = many.pool(groups, domain, np.full(100, 1e7))
    common = few.pool(groups, domain, np.full(1, 10.0))
    assert rare[1] < common[1]
    assert many.prior[1] == rare[1]
    assert many.prior[2] == 1e-4  # of no group


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=30),
    st.floats(1e-8, 0.02),
)
def test_a_rate_is_always_a_probability(counts: list[tuple[int, int]], prior: float) -> None:
    table = rates()
    table.begin(1, prior, 0.0)
    for failures, requests in counts:
        row = np.array([0.0, failures, 0.0])
        table.learn(row, np.array([0.0, requests, 0.0]), nobody(table))
        assert 0.0 <= table.rate()[1] <= 1.0
