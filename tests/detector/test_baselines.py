"""Baselines as they are published: changes alone, and yet the whole truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.engine import Bucket, Engine
from detector.engine.baselines import MOVED, Baseline, Publisher
from detector.engine.series import Codebook, Edge
from detector.engine.standing import standings
from detector.settings import DetectionSettings
from detector.types import Series

START = datetime(2026, 3, 2, tzinfo=UTC)
EDGES = [Edge("source", f"web-{n}.shop", f"cart-{n % 3}.shop") for n in range(12)]
SIGNALS = ("500", "NR")
KINDS = [(edge, signal) for edge in range(len(EDGES)) for signal in SIGNALS]


def bucket(n: int, failing: set[int], requests: float) -> Bucket:
    ids = np.array(sorted(failing), dtype=np.int64)
    return Bucket(
        START + n * timedelta(seconds=10),
        Codebook(EDGES, KINDS),
        np.arange(len(EDGES)),
        np.full(len(EDGES), requests),
        ids,
        np.ones(ids.size),
    )


steps = st.lists(
    st.tuples(
        st.sets(st.integers(0, len(KINDS) - 1), max_size=6),
        st.floats(1, 500),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(steps, st.sampled_from([40, 16]))
def test_changes_put_together_are_what_the_engine_knows(
    told: list[tuple[set[int], float, bool]], limit: int
) -> None:
    engine = Engine(DetectionSettings(max_series=limit))
    publisher = Publisher(engine)
    known: dict[Series, Baseline] = {}

    def take() -> None:
        rows = publisher.take()
        if rows.whole:
            known.clear()
        for one in rows.gone:
            del known[one]
        known.update({one.series: one for one in rows.changed})

    take()
    for n, (failing, requests, publish) in enumerate(told):
        engine.judge(bucket(n, failing, requests), [])
        if publish:
            take()
    take()
    now = START + len(told) * timedelta(seconds=10)
    standing = {one.series: one for one in standings(engine)}
    assert known.keys() == standing.keys()
    for name, one in known.items():
        true = standing[name]
        assert abs(one.rate - true.rate) <= MOVED * one.rate
        assert (one.judged, one.counted) == (true.judged, true.counted)
        assert (now - one.since).total_seconds() == true.known_s
        if true.judged:
            assert (one.settles_at - now).total_seconds() == true.left_s


def test_what_did_not_move_is_told_once_and_all_of_it_after_a_restart() -> None:
    engine = Engine(DetectionSettings())
    publisher = Publisher(engine)
    engine.judge(bucket(0, {0, 5}, 100.0), [])
    first = publisher.take()
    again = publisher.take()
    restarted = Engine(engine.settings)
    restarted.restore(engine.snapshot())
    anew = Publisher(restarted).take()

    assert (len(first.changed), first.whole) == (2, True)
    assert (again.changed, again.gone, again.whole) == ([], [], False)
    assert (list(anew.changed), anew.whole) == (list(first.changed), True)
