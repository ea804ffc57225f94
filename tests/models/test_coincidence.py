from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import coincidence


def test_being_inside_windows_that_are_always_open_means_nothing() -> None:
    assert coincidence.coincidence(0.9) == pytest.approx(0.0)
    assert coincidence.coincidence(1.0) == pytest.approx(log(0.9))


def test_being_inside_a_rare_window_means_much() -> None:
    assert coincidence.coincidence(0.03) == pytest.approx(log(30.0))


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_coverage_never_makes_a_coincidence_more_telling(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert coincidence.coincidence(low) >= coincidence.coincidence(high)


def test_stray_errors_before_the_fault_do_not_move_its_onset() -> None:
    stray = np.array([3.0, 31.0, 58.0])
    times = np.concatenate((stray, np.linspace(100.0, 130.0, 60)))
    found = coincidence.first_excess(times, np.ones(times.size), quiet_rate=0.03)
    assert found == 100.0


def test_the_first_error_is_the_onset_when_all_belong_to_the_fault() -> None:
    times = np.linspace(50.0, 80.0, 40)
    assert coincidence.first_excess(times, np.ones(40), quiet_rate=0.0) == 50.0


def test_a_single_error_is_its_own_onset() -> None:
    assert coincidence.first_excess(np.array([5.0]), np.ones(1), quiet_rate=0.5) == 5.0


@given(
    st.lists(st.floats(0.0, 1e4), min_size=1, max_size=50).map(sorted),
    st.floats(0.0, 10.0),
)
def test_the_onset_is_always_the_time_of_an_error(times: list[float], rate: float) -> None:
    array = np.array(times)
    assert coincidence.first_excess(array, np.ones(array.size), quiet_rate=rate) in times


def test_a_prompt_onset_speaks_for_the_change_and_a_late_one_against_it() -> None:
    prompt = coincidence.onset(0.2, 60.0, mean_s=3.0, prompt=0.9)
    late = coincidence.onset(40.0, 60.0, mean_s=3.0, prompt=0.9)
    assert prompt == 2.0
    assert late == pytest.approx(log(0.1), abs=0.01)
    assert coincidence.onset(40.0, 60.0, mean_s=3.0, prompt=0.7) > late


@given(st.floats(0.0, 1e4), st.floats(0.0, 1e4))
def test_a_later_onset_is_never_more_telling(a: float, b: float) -> None:
    early, late = sorted((a, b))
    value = [coincidence.onset(d, 600.0, mean_s=3.0, prompt=0.7) for d in (early, late)]
    assert value[0] >= value[1]
    assert -2.5 <= value[1] <= 2.0


@pytest.mark.parametrize(
    ("inside", "gap_s", "log_odds"),
    [(1.0, 5.0, 1.5), (1.0, 300.0, 0.0), (0.9, -20.0, -1.0), (0.3, -600.0, -4.0)],
)
def test_an_end_with_the_rollout_speaks_for_it(
    inside: float, gap_s: float, log_odds: float
) -> None:
    assert coincidence.recovery(inside, gap_s=gap_s, length_s=600.0) == log_odds


def test_a_habit_needs_no_change_to_explain_it() -> None:
    assert coincidence.habit(0) == 0.0
    assert coincidence.habit(5) < coincidence.habit(1) < -1.0


def test_spread_is_worth_something_up_to_a_limit() -> None:
    assert [coincidence.spread(n) for n in (0, 1, 2, 4, 50)] == [0.0, 0.0, 0.5, 1.5, 1.5]


@given(st.floats(-1e9, 1e9))
def test_probabilities_of_any_log_odds_lie_within_nought_and_one(log_odds: float) -> None:
    assert 0.0 < coincidence.probability(log_odds) < 1.0
    assert coincidence.probability(log_odds) + coincidence.probability(-log_odds) == pytest.approx(
        1.0
    )
