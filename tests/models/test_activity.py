from __future__ import annotations

import numpy as np
import pytest

from models.activity import LEAST, PATIENCE, WIDTHS, Activity

WEEK = 60480.0
ROWS = 3
NOTHING = np.zeros(ROWS, dtype=np.bool_)
EVERYONE = np.ones(ROWS, dtype=np.bool_)
ROW = np.array([1])
NO_ERRORS = np.zeros((len(WIDTHS), 1))


class Watched:
    """An `Activity` with the history of its rows, as the ring of counts gives it."""

    def __init__(self, seen: float = 8000.0) -> None:
        self.table = Activity(8640.0, WEEK)
        self.table.grow(ROWS)
        self.table.begin(1, seen)
        self.past: list[np.ndarray[tuple[int], np.dtype[np.bool_]]] = []

    def step(self, *, failing: bool) -> None:
        now = NOTHING.copy()
        now[1] = failing
        leaving = [self.past[-w] if len(self.past) >= w else NOTHING for w in WIDTHS]
        self.table.advance(now, leaving)
        self.past.append(now)
        self.table.learn(now, EVERYONE, len(self.past))

    def rarity(self) -> float:
        return float(self.table.rarity(ROW, NO_ERRORS)[0][0])


def test_one_error_in_each_of_many_buckets_is_rare_where_there_were_none() -> None:
    watched = Watched()
    for _ in range(12):
        watched.step(failing=True)
    assert watched.rarity() > 4.0


def test_fewer_buckets_than_the_least_say_nothing() -> None:
    watched = Watched()
    for _ in range(int(LEAST) - 1):
        watched.step(failing=True)
    assert watched.rarity() == -np.inf


def test_a_row_that_was_not_watched_for_long_says_nothing() -> None:
    watched = Watched(seen=PATIENCE - 100.0)
    for _ in range(30):
        watched.step(failing=True)
    assert watched.rarity() == -np.inf


def test_a_row_that_often_shows_errors_is_not_surprising_by_them() -> None:
    watched, rng = Watched(), np.random.default_rng(5)
    for _ in range(3000):
        watched.step(failing=bool(rng.random() < 0.3))
    before = watched.rarity()
    for _ in range(8):
        watched.step(failing=True)
    assert before < 0.0
    assert watched.rarity() < 2.0


def test_errors_that_were_expected_are_no_news() -> None:
    watched = Watched()
    for _ in range(12):
        watched.step(failing=True)
    expected = np.array([[11.0], [55.0]])
    assert watched.table.rarity(ROW, expected)[0][0] == -np.inf


def test_what_has_left_the_widths_is_forgotten() -> None:
    watched = Watched()
    for failing in [True] * 12 + [False] * WIDTHS[-1]:
        watched.step(failing=failing)
    assert watched.table.recent[:, 1].tolist() == [0.0, 0.0]


def test_a_snapshot_changes_no_later_rarity() -> None:
    watched = Watched()
    for _ in range(12):
        watched.step(failing=True)
    other = Activity(8640.0, WEEK)
    other.grow(ROWS)
    other.load(watched.table.state())
    assert other.rarity(ROW, NO_ERRORS)[0][0] == pytest.approx(watched.rarity(), abs=0)
