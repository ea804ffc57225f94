"""How surprising the present counts are: the rows with errors, over all time scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.engine.catalogue import Catalogue
from models import tails
from models.contract import Flags, Floats, Ints
from models.rates import PRIOR_FAILURES
from models.spans import SPANS


@dataclass(frozen=True, slots=True)
class Scores:
    """The judged rows of one bucket; the first axis of the tables is the time scale."""

    rows: Ints
    errors: Floats  # Y, scales x rows
    expected: Floats  # M
    variance: Floats
    surprise: Floats  # best over the scales, -log10
    scale: Ints  # the best scale
    rarity: Floats  # -log10 of such peaks a week on this row
    fresh: Flags  # the excess still goes on

    def best(self, table: Floats) -> Floats:
        """The column of each row's best scale."""
        return np.asarray(table[self.scale, np.arange(self.rows.size)])


def score(catalogue: Catalogue, rows: Ints, expected: Floats, now: int) -> Scores:
    """Score ``rows`` (with errors in this bucket) after the spans took the bucket in.

    A scale is looked at when at least two errors exceed the expectation by two standard
    deviations; the surprise of a row is that of its best scale.

    Args:
        catalogue: The baselines; not changed.
        rows: Rows to score.
        expected: Errors expected in this bucket, of every row.
        now: The present bucket.
    """
    spans = catalogue.spans
    errors, awaited = spans.counts(rows)
    variance = spans.variance(rows, awaited, _uncertainty(catalogue, rows, expected))
    gap = errors - awaited
    worth = (errors >= 2) & (gap > 0) & (gap**2 > 4.0 * variance)
    table = np.zeros(errors.shape)
    table[worth] = tails.surprise(errors[worth], awaited[worth], variance[worth])
    scale = table.argmax(axis=0)
    best = table.max(axis=0, initial=0.0)
    fresh = spans.fresh(rows, scale)
    rarity = np.where(best > 0, catalogue.peaks.rarity(rows, best, now), -np.inf)
    return Scores(rows, errors, awaited, variance, best, scale, rarity, fresh)


def _uncertainty(catalogue: Catalogue, rows: Ints, expected: Floats) -> Floats:
    """var(rate)/rate^2 of ``rows``: 1/(a + a0), for aggregates weighted by what members expect."""
    own = 1.0 / (catalogue.rates.failures + PRIOR_FAILURES)
    result = own[rows]
    above = catalogue.ties.edge[rows] == 0
    if above.any():
        parts = np.where(catalogue.modest(), expected**2 * own, 0.0)
        size = own.size
        total = sum(
            np.bincount(parents, weights=parts, minlength=size)
            for parents in catalogue.ties.parents
        )
        up = rows[above]
        result[above] = np.minimum(
            np.asarray(total)[up] / np.maximum(expected[up], 1e-12) ** 2, 1.0 / PRIOR_FAILURES
        )
    return np.asarray(result)


def spans_of(seconds: int) -> tuple[int, ...]:
    """Length of the time scales in seconds when a bucket lasts ``seconds``."""
    return tuple(span * seconds for span in SPANS)
