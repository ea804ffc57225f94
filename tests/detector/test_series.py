from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.engine.series import MAX_GAP, Bucket, Edge, encode, gap
from pipelines.schema import ROLLUP, empty

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(seconds=10)
Row = tuple[int, str, str, int, str, int]


def frame(rows: list[Row]) -> pl.DataFrame:
    """ROLLUP rows of bucket number, source, destination, code, flags, count."""
    return pl.DataFrame(
        [
            (START + n * STEP, "source", source, None, to, code, flags, count)
            for n, source, to, code, flags, count in rows
        ],
        schema=ROLLUP,
        orient="row",
    )


def counts(bucket: Bucket) -> tuple[dict[Edge, float], dict[tuple[Edge, str], float]]:
    edges = [bucket.book.edges[i] for i in bucket.edges]
    names = [bucket.book.series[i] for i in bucket.series]
    series = [(bucket.book.edges[edge], signal) for edge, signal in names]
    return (
        dict(zip(edges, bucket.requests.tolist(), strict=True)),
        dict(zip(series, bucket.errors.tolist(), strict=True)),
    )


def test_all_requests_of_an_edge_are_its_exposure_and_signals_are_its_errors() -> None:
    rows: list[Row] = [
        (0, "a.x", "b", 200, "-", 7),
        (0, "a.x", "b", 503, "UF,URX", 2),
        (0, "a.x", "b", 404, "-", 1),
    ]
    requests, errors = counts(next(encode(frame(rows), STEP)))
    edge = Edge("source", "a.x", "b")
    assert requests == {edge: 10.0}
    assert errors == {(edge, "UF"): 2.0, (edge, "404"): 1.0}


def test_silence_between_buckets_is_given_as_empty_buckets() -> None:
    rows: list[Row] = [(n, "a.x", "b", 200, "-", 1) for n in (0, 3)]
    buckets = list(encode(frame(rows), STEP))
    assert [bucket.start for bucket in buckets] == [START + n * STEP for n in range(4)]
    assert [bucket.requests.sum() for bucket in buckets] == [1.0, 0.0, 0.0, 1.0]


def test_a_silence_too_long_to_step_through_is_jumped_over() -> None:
    assert len(list(gap(START, START + (MAX_GAP + 1) * STEP, STEP))) == MAX_GAP
    assert list(gap(START, START + timedelta(days=4000), STEP)) == []


def test_an_empty_frame_has_no_buckets() -> None:
    assert list(encode(empty(ROLLUP), STEP)) == []


def test_nulls_and_negative_counts_do_no_harm() -> None:
    rows = pl.DataFrame(
        [
            (START, None, None, None, None, None, None, 3),
            (START, "source", "a.x", None, "b", 503, "UF", -5),
            (None, "source", "a.x", None, "b", 503, "UF", 5),
        ],
        schema=ROLLUP,
        orient="row",
    )
    requests, errors = counts(next(encode(rows, STEP)))
    assert requests == {Edge("source", "unknown", "unknown"): 3.0}
    assert errors == {}


@pytest.mark.no_cover
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["a.x", "b.x"]),
            st.sampled_from(["c", "d"]),
            st.sampled_from([0, 200, 404, 503]),
            st.sampled_from(["-", "UF", "UF,URX", "DC"]),
            st.integers(0, 9),
        ),
        max_size=25,
    ),
    st.randoms(),
)
@pytest.mark.parametrize("cut", [0, 3])
def test_order_and_splits_of_the_rows_do_not_matter(
    cut: int, rows: list[Row], random: Random
) -> None:
    whole = [counts(b) for b in encode(frame(rows), STEP) if b.requests.size]
    shuffled = random.sample(rows, len(rows))
    parts = [[r for r in shuffled if r[0] < cut], [r for r in shuffled if r[0] >= cut]]
    split = [counts(b) for part in parts for b in encode(frame(part), STEP) if b.requests.size]
    assert split == whole


def test_ids_ascend_with_names() -> None:
    rows: list[Row] = [(0, s, "z", 503, f, 1) for s in ("b.x", "a.x") for f in ("UH", "UF")]
    bucket = next(encode(frame(rows), STEP))
    assert bucket.book.edges == sorted(bucket.book.edges)
    assert np.all(np.diff(bucket.series) > 0)
