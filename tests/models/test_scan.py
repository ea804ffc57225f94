from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import scan


@given(offset=st.floats(-100, 100), at=st.floats(1e9, 2e9))
def test_only_the_position_relative_to_the_reconcile_counts(offset: float, at: float) -> None:
    there = scan.aligned(np.array([at + offset]), np.array([at]), 10.0)
    here = scan.aligned(np.array([offset]), np.array([0.0]), 10.0)
    if abs(offset + 11.0) > 1e-3 and abs(offset - 6.0) > 1e-3:
        assert there.tolist() == here.tolist()


def test_a_proxy_that_has_not_reconciled_is_aligned_with_nothing() -> None:
    assert not scan.aligned(np.array([0.0]), np.array([np.nan]), 10.0).any()


@given(
    resets=st.lists(st.integers(0, 600), min_size=1, max_size=40),
    start=st.integers(0, 600),
)
def test_chance_is_the_share_of_proxies_that_the_start_aligns_with(
    resets: list[int], start: int
) -> None:
    times = np.sort(np.array(resets, dtype=np.float64))
    starts = np.full(times.size, float(start))
    share = scan.aligned(starts, times, 10.0).mean()
    assert scan.by_chance(starts[:1], times, 0, 10.0)[0] == pytest.approx(share)


def test_proxies_still_to_come_make_chance_smaller() -> None:
    one = scan.by_chance(np.array([0.0]), np.array([1.0, 2.0]), 8, 10.0)
    assert one.tolist() == [0.25]


@given(
    hits=st.integers(1, 1000),
    extra=st.integers(0, 1000),
    mean=st.floats(0.01, 100.0),
)
def test_more_aligned_errors_never_speak_less_and_more_usual_ones_never_more(
    hits: int, extra: int, mean: float
) -> None:
    less, more = np.array([float(hits)]), np.array([float(hits + extra)])
    of = np.array([mean])
    assert scan.evidence(more, more, of)[0] >= scan.evidence(less, less, of)[0] - 1e-9
    assert scan.evidence(less, less, 2 * of)[0] <= scan.evidence(less, less, of)[0] + 1e-9


def test_an_edge_that_fails_mostly_elsewhere_says_nothing() -> None:
    hits, errors = np.array([59.0, 60.0]), np.array([100.0, 100.0])
    told = scan.evidence(hits, errors, np.full(2, 0.01))
    assert told[0] == 0.0
    assert told[1] > 10.0


def test_single_errors_on_many_quiet_edges_add_up_and_on_restless_ones_do_not() -> None:
    ones = np.ones(21)
    assert scan.evidence(ones, ones, np.full(21, 0.012)).sum() > scan.EVIDENCE
    assert scan.evidence(ones, ones, np.full(21, 0.5)).sum() == 0.0


def test_each_proxy_has_its_share_of_the_usual_errors_for_as_long_as_the_span_reaches() -> None:
    assert scan.expected(np.array([0.0, 10.0]), 10.0).tolist() == pytest.approx([0.01, 17.01])
