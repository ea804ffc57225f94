from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.spans import DEPTH, SPANS, Spans


def spans(rows: int = 1) -> Spans:
    table = Spans(8640.0)
    table.grow(rows + 1)
    table.clump[:] = 1.0
    return table


def feed(table: Spans, errors: list[float], expected: float) -> None:
    size = table.recent.shape[1]
    for count in errors:
        table.advance(np.full(size, count), np.full(size, expected))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=2 * DEPTH + 30))
def test_sliding_sums_are_the_sums_of_the_last_buckets(errors: list[int]) -> None:
    table = spans()
    feed(table, [float(count) for count in errors], 0.5)
    got, expected = table.counts(np.array([1]))
    for i, span in enumerate(SPANS):
        assert got[i, 0] == sum(errors[-span:])
        assert abs(expected[i, 0] - 0.5 * min(span, len(errors)) - 5e-5 * span) < 1e-3


def test_a_row_that_joins_late_expects_what_it_would_have_expected() -> None:
    table = spans(2)
    feed(table, [0.0] * 200, 0.25)
    table.begin(np.array([2]), np.full((DEPTH, 1), 0.25, dtype=np.float32))
    assert np.allclose(table.awaited[:, 1], table.awaited[:, 2])


def test_a_burst_is_stale_once_it_lies_in_the_past_and_a_steady_excess_is_not() -> None:
    burst, steady = spans(), spans()
    feed(burst, [0.0] * 100 + [30.0] * 3 + [0.0] * 20, 0.1)
    feed(steady, [0.0] * 100 + [4.0] * 23, 0.1)
    row, five_minutes = np.array([1]), np.array([2])
    assert not burst.fresh(row, five_minutes)[0]
    assert steady.fresh(row, five_minutes)[0]


def test_rows_that_fail_in_clumps_have_a_wider_variance_up_to_the_scale_of_the_clumps() -> None:
    wild, calm = spans(), spans()
    nobody = np.zeros(2, dtype=np.bool_)
    row = np.array([1])
    for step in range(600):
        for table, errors in ((wild, 60.0 if step % 60 == 0 else 0.0), (calm, 1.0)):
            feed(table, [errors], 1.0)
            variance = table.variance(row, table.counts(row)[1], np.zeros(1))
            table.learn(variance, row, nobody)
    expected = np.full((len(SPANS), 1), 10.0)
    widths = [table.variance(row, expected, np.zeros(1)) for table in (wild, calm)]
    assert (widths[0] > 3 * widths[1])[:3].all()  # ten minutes apart: even over half an hour


def test_a_held_row_does_not_learn_its_excess() -> None:
    table = spans()
    feed(table, [100.0] * 60, 0.1)
    variance = table.variance(np.array([1]), table.counts(np.array([1]))[1], np.zeros(1))
    table.learn(variance, np.array([1]), np.array([True, True]))
    assert not table.deviation.any()


def test_an_accepted_level_leaves_no_excess() -> None:
    table = spans()
    feed(table, [4.0] * 300, 0.1)
    table.accept(1)
    assert np.allclose(table.recent[:, 1], table.awaited[:, 1], rtol=1e-3)


def test_what_was_forgiven_counts_no_more_and_what_came_later_does() -> None:
    spans = Spans(1000.0)
    spans.grow(3)
    for n in range(DEPTH):
        errors = np.array([0.0, 50.0 if n == 100 else 0.0, 50.0 if n == 100 else 0.0])
        errors[1:] += 4.0 if n == DEPTH - 2 else 0.0
        spans.advance(errors, np.full(3, 0.5))
    taken = spans.forgive(np.array([1]), 10)
    spans.yield_to(np.array([2]), taken)
    past = 0.5 * (DEPTH - 10)
    np.testing.assert_allclose(spans.recent[-1], [0.0, past + 4.0, past + 4.0], rtol=1e-6)
    np.testing.assert_allclose(spans.awaited[-1], 0.5 * DEPTH)
