"""How surprising a count is: tails of the negative binomial distribution.

Counts of errors come in clumps, so their variance exceeds their mean; a Poisson tail would cry
wolf (measured: 198 instead of 4 false incidents a week). With mean ``m`` and variance ``v > m``
the size is ``s = m^2 / (v - m)`` and the success share ``q = m / (m + s)``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv, gammaln

from models.contract import Floats

_LN10 = np.log(10.0)


def surprise(count: Floats, mean: Floats, variance: Floats) -> Floats:
    """``-log10 P(Y >= count)`` for counts above the mean; 0 where the count is not above it.

    The first term of the tail times a geometric bound of the rest: above the mean each term is at
    most ``q max(1, (y + s) / (y + 1))`` of the one before, so the surprise is never overstated.

    >>> z = surprise(np.array([60.0]), np.array([3e-4]), np.array([7e-4]))
    >>> z.round(1).tolist()
    [19.6]
    >>> surprise(np.array([0.0, 5.0]), np.array([1.0, 9.0]), np.array([2.0, 12.0])).tolist()
    [0.0, 0.0]
    """
    mean = np.maximum(mean, 1e-12)
    size = mean**2 / np.maximum(variance - mean, 1e-9 * mean)
    log_q = np.log(mean) - np.log(mean + size)
    log_pmf = (
        gammaln(count + size)
        - gammaln(size)
        - gammaln(count + 1.0)
        + size * (np.log(size) - np.log(mean + size))
        + count * log_q
    )
    ratio = np.exp(log_q) * np.maximum((count + size) / (count + 1.0), 1.0)
    shrink = np.minimum(ratio, 1.0 - 1e-12)
    tail = -(log_pmf - np.log1p(-shrink)) / _LN10
    return np.asarray(np.where(count > mean, np.maximum(tail, 0.0), 0.0))


def upper(mean: Floats, variance: Floats, tail: float = 1e-3) -> Floats:
    """The count exceeded with probability ``tail``: quantile of the gamma law of equal moments.

    The gamma law is the continuous sister of the negative binomial; half a count is added for
    continuity.

    >>> upper(np.array([100.0]), np.array([100.0])).round().tolist()
    [134.0]
    """
    mean = np.maximum(mean, 1e-9)
    variance = np.maximum(variance, mean)
    shape = mean**2 / variance
    return np.asarray(gammaincinv(shape, 1.0 - tail) * variance / mean + 0.5)
