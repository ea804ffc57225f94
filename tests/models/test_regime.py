from __future__ import annotations

import math

import numpy as np

from models.regime import PATIENCE_MIN, settled


def test_a_steady_level_is_accepted_after_its_time_and_not_before() -> None:
    assert settled([0.05] * PATIENCE_MIN)
    assert not settled([0.05] * (PATIENCE_MIN - 1))


def test_an_outage_is_never_normal() -> None:
    assert not settled([0.97] * 600)


def test_a_level_that_has_just_changed_must_prove_itself_anew() -> None:
    assert not settled([0.01] * 120 + [0.4] * 20)
    assert settled([0.01] * 120 + [0.4] * 120)


def test_noise_around_a_level_is_still_that_level() -> None:
    rng = np.random.default_rng(1)
    assert settled((0.1 + 0.02 * rng.standard_normal(150)).tolist())


def test_what_is_no_number_is_passed_over() -> None:
    assert settled([0.05, math.nan, math.inf] * PATIENCE_MIN)
