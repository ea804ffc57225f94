"""Counts of the past in, baselines out: what ``pushwake learn`` runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detector.errors import InputError
from detector.settings import Settings
from detector.store import Store
from detector.store.store import Step
from detector.worker import Worker


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learnt, from when to when."""

    first: datetime
    last: datetime
    requests: int
    edges: int
    series: int


def learn(
    frames: Iterable[pl.DataFrame],
    settings: Settings,
    store: Store,
    *,
    since: datetime,
    replace: bool = False,
) -> Learned:
    """Judge the past in silence and leave nothing of it in the store but the baselines.

    What was out of the ordinary in that past is held out of learning, as ever; it opens no
    incident, and nobody is told.

    Args:
        frames: Of `schema.ROLLUP`, by time, whole buckets each.
        settings: As those of the worker that goes on from here.
        store: Gets the state.
        since: What is older is passed over.
        replace: Whether state that the store has may be given up.

    Raises:
        InputError: There is nothing to learn from, or the store has state already.
        StoreError: The store cannot be written.
    """
    snapshot = store.load()
    if snapshot is not None and snapshot.states and not replace:
        raise InputError(
            "the store has baselines already",
            where="pushwake learn",
            advice="Name an empty store, or give up what it has learnt with --replace",
        )
    teacher, requests = Worker(settings), 0
    for frame in frames:
        recent = frame.filter(pl.col("time") >= since)
        requests += int(recent["count"].sum())
        teacher.add_rollup(recent)
    period = teacher.period
    if period is None:
        raise InputError(
            "holds no requests since then",
            where="what was to be learnt from",
            advice="Give --since a longer time, or look whether istio_requests_total is there",
        )
    learner = Worker(settings)
    learner.engine.restore(teacher.engine.snapshot())
    store.commit(Step(states=learner.snapshot()))
    catalogue = teacher.engine.catalogue
    series = int((catalogue.ties.edge > 0).sum())
    return Learned(*period, requests, len(catalogue.edges), series)
