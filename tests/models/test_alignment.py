from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import alignment
from models.alignment import Finding, Floats

RESETS = np.arange(0.0, 400.0, 10.0)  # forty proxies, one after the other


def errors_after(delay: float, resets: Floats, each: int = 3) -> tuple[Floats, Floats]:
    """Times of errors that each proxy shows after its own reset, and that reset."""
    own = np.repeat(resets, each)
    return own + delay + np.tile(np.linspace(0.0, 1.0, each), resets.size), own


def aligned(times: Floats, own: Floats, resolution_s: float = 0.001) -> Finding:
    groups = np.unique(own, return_inverse=True)[1]
    return alignment.alignment(
        times, np.ones(times.size), own, RESETS, groups, resolution_s=resolution_s
    )


def test_errors_right_after_their_own_reset_speak_for_the_change() -> None:
    found = aligned(*errors_after(0.5, RESETS))
    assert found.observed == 1.0
    assert found.expected < 0.05
    assert found.log_odds == 8.0


def test_errors_at_another_proxys_reset_speak_against_the_change() -> None:
    times, own = errors_after(0.5, RESETS)
    found = aligned(times, np.roll(own, 30))
    assert found.observed == 0.0
    assert found.log_odds == -5.0


def test_a_bucket_blurs_alignment_but_keeps_it() -> None:
    times, own = errors_after(0.5, RESETS)
    found = aligned(np.floor(times / 10.0) * 10.0 + 5.0, own, resolution_s=10.0)
    assert found.observed == 1.0
    assert 0.02 < found.expected < 0.1
    assert found.log_odds > 5.0


def test_the_share_by_chance_equals_the_mean_over_many_random_draws() -> None:
    rng = np.random.default_rng(4)
    resets = np.sort(rng.uniform(0.0, 60.0, 12))
    times = rng.uniform(0.0, 70.0, 200)
    groups = rng.integers(0, 12, 200)
    found = alignment.alignment(
        times, np.ones(200), resets[groups], resets, groups, resolution_s=0.001
    )
    first, last = alignment.span(0.001)
    draws = []
    for _ in range(4000):
        other = (groups + rng.integers(1, 12, 200)) % 12
        offset = times - resets[other]
        draws.append(np.mean((offset >= first) & (offset <= last)))
    assert found.expected == pytest.approx(float(np.mean(draws)), abs=0.003)


def test_simultaneous_resets_say_nothing_for_the_change() -> None:
    resets = np.full(20, 100.0)
    times = np.full(20, 101.0)
    found = alignment.alignment(
        times, np.ones(20), resets, resets, np.arange(20), resolution_s=0.001
    )
    assert found.expected == 0.99
    assert abs(found.log_odds) < 0.2


def test_a_single_reset_has_nothing_to_be_compared_with() -> None:
    one = np.array([1.0])
    found = alignment.alignment(one, one, one, one, np.array([0]), resolution_s=0.001)
    assert found == alignment.SILENT


def test_errors_of_one_proxy_count_little_however_many() -> None:
    one, many = np.array([7]), np.full(10_000, 7)
    assert alignment.effective_size(np.ones(1), one) == 1.0
    assert alignment.effective_size(np.ones(10_000), many) == 1.5
    assert alignment.effective_size(np.ones(10_000), np.arange(10_000)) == 10_000


def test_a_dominant_proxy_does_not_borrow_the_number_of_the_others() -> None:
    weights = np.array([970.0, 10.0, 10.0, 10.0])
    assert alignment.effective_size(weights, np.arange(4)) < 1.7


@given(
    weights=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30),
    groups=st.integers(1, 30),
)
def test_the_effective_size_lies_between_nothing_and_the_errors(
    weights: list[float], groups: int
) -> None:
    array = np.array(weights)
    size = alignment.effective_size(array, np.arange(array.size) % groups)
    assert 0.0 < size <= array.sum() * (1 + 1e-9)
    assert size <= 1.5 * min(groups, array.size) * (1 + 1e-9)


def test_first_errors_follow_the_change_even_when_the_fault_stays() -> None:
    own = np.repeat(RESETS[:8], 200)
    times = own + np.tile(np.linspace(0.3, 300.0, 200), 8)
    order = np.argsort(times, kind="stable")
    times, own = times[order], own[order]
    groups = np.unique(own, return_inverse=True)[1]
    one = np.ones(times.size)
    stays = alignment.alignment(times, one, own, RESETS, groups, resolution_s=0.001)
    begins = alignment.begins(
        times, one, own, RESETS, groups, onset=float(times[0]), resolution_s=0.001
    )
    assert stays.observed < 0.05
    assert begins.observed == 1.0
    assert begins.log_odds == 8.0


def test_first_errors_of_a_common_onset_speak_against_the_change() -> None:
    own = np.tile(RESETS, 50)
    times = np.repeat(np.linspace(205.0, 225.0, 50), 40)
    groups = np.unique(own, return_inverse=True)[1]
    found = alignment.begins(
        times, np.ones(times.size), own, RESETS, groups, onset=205.0, resolution_s=0.001
    )
    assert found.observed < 0.1
    assert found.log_odds < -3.0


def test_errors_before_the_onset_do_not_count_as_first_ones() -> None:
    found = alignment.begins(
        np.array([1.0, 2.0]),
        np.ones(2),
        np.array([0.0, 0.0]),
        RESETS,
        np.array([0, 0]),
        onset=50.0,
        resolution_s=0.001,
    )
    assert found == alignment.SILENT


def test_errors_of_changed_proxies_only_speak_for_the_change() -> None:
    n = 12
    found = alignment.contrast(
        np.ones(n, dtype=np.bool_), np.full(n, 0.4), np.ones(n), np.arange(n)
    )
    assert found.observed == 1.0
    assert found.expected == pytest.approx(0.4)
    assert found.log_odds > 7.0


def test_changed_and_unchanged_proxies_that_fail_alike_speak_against_it() -> None:
    n = 20
    changed = np.arange(n) % 2 == 0
    found = alignment.contrast(changed, np.full(n, 0.5), np.ones(n), np.arange(n))
    assert found.log_odds == -5.0


def test_times_at_which_all_or_none_have_changed_tell_nothing() -> None:
    changed = np.array([True, True, False])
    found = alignment.contrast(changed, np.array([1.0, 1.0, 0.0]), np.ones(3), np.arange(3))
    assert found == alignment.SILENT


def pair(client_changed: list[bool], client_share: float, server_share: float) -> Finding:
    n = len(client_changed)
    return alignment.version_pair(
        np.array(client_changed),
        np.full(n, client_share),
        np.full(n, server_share),
        np.ones(n),
        np.arange(n),
        usual=(0.15, 0.15),
    )


def test_only_old_clients_failing_at_new_servers_is_a_version_pair() -> None:
    found = pair([False] * 10, client_share=0.6, server_share=1.0)
    assert found.observed == 1.0
    assert found.expected == pytest.approx(0.4)
    assert found.log_odds == 8.0


def test_only_new_clients_failing_at_old_servers_is_a_version_pair_too() -> None:
    assert pair([True] * 10, client_share=0.4, server_share=0.0).log_odds == 8.0


def test_old_and_new_clients_failing_alike_are_no_version_pair() -> None:
    assert pair([True, False] * 8, client_share=0.5, server_share=1.0).log_odds < -2.0


def test_a_moment_of_unequal_versions_alone_is_a_weak_fact() -> None:
    found = pair([False] * 10, client_share=0.0, server_share=1.0)
    assert 0.0 < found.log_odds <= 1.0


def test_errors_that_spread_as_the_reconnects_do_follow_the_rollout() -> None:
    times = np.repeat(RESETS, 5) + 2.5
    found = alignment.progress(times, np.ones(times.size), RESETS)
    assert found.observed > 0.95
    assert found.log_odds > 2.0


def test_a_burst_in_the_middle_of_a_rollout_does_not_follow_it() -> None:
    times = np.linspace(190.0, 210.0, 100)
    assert alignment.progress(times, np.ones(100), RESETS).log_odds < -1.0


def test_progress_needs_several_reconnects() -> None:
    assert alignment.progress(np.ones(5), np.ones(5), np.array([1.0])) == alignment.SILENT
