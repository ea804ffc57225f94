"""Does a burst of errors follow a change in time, or only coincide with it?

Every test returns natural log odds: how many times likelier the data are when the change is the
cause than when it is not. None of them needs to know which proxy failed; those that do are in
`models.alignment`. Times are seconds on any common clock.
"""

from __future__ import annotations

from math import exp, log

import numpy as np

from models.alignment import Floats


def first_excess(times: Floats, weights: Floats, *, quiet_rate: float) -> float:
    """When the excess began: the change point of the error rate, not the first stray error.

    The argmin of the cumulated count minus k t, the maximum-likelihood change point between two
    Poisson rates with k = (l1 - l0) / ln(l1 / l0) (Page's cumulative sum, Biometrika 1954); l1 is
    the mean rate over the middle 90 % of the errors, l0 the quiet one before.

    Args:
        times: of the errors, ascending, at least one.
        weights: of the errors.
        quiet_rate: errors per second that the baseline expects.
    """
    done = np.cumsum(weights)
    early, late = np.searchsorted(done, (0.05 * done[-1], 0.95 * done[-1]))
    active = float(times[min(late, times.size - 1)] - times[early])
    busy = 0.9 * float(done[-1]) / max(active, 1.0)
    quiet = min(max(quiet_rate, 1e-4), 0.5 * busy)
    drift = (busy - quiet) / log(busy / quiet)
    before = done - weights - drift * (times - times[0])
    return float(times[int(np.argmin(before))])


def coincidence(coverage: float) -> float:
    """Log odds of an onset inside a window: ln(0.9 / c).

    c is the share of *all* time that windows of this kind cover: chance puts an onset into one
    with probability c, a fault of the control plane lies in one nine times out of ten. When
    pushes come every few seconds c nears 1, and being inside one means nothing.
    """
    return log(0.9 / min(max(coverage, 1e-4), 1.0))


def onset(delay_s: float, reach_s: float, *, mean_s: float, prompt: float) -> float:
    """Log odds of the delay from the window's start to the onset.

    A share ``prompt`` of the faults begins within seconds of the change (exponential), the rest
    anywhere; by chance all begin anywhere (uniform over ``reach_s``, the span in which the window
    is considered at all): ln[prompt r exp(-d/m)/m + 1 - prompt], clipped to -2.5..2.

    Args:
        delay_s: from the start to the onset.
        reach_s: r.
        mean_s: m: the change's own delay, the blur of the times and the wait for a request.
        prompt: lower for changes that reach proxies one by one.
    """
    early = exp(-max(delay_s, 0.0) / mean_s) * max(reach_s, mean_s) / mean_s
    return float(np.clip(log(prompt * early + 1.0 - prompt), -2.5, 2.0))


def recovery(share_inside: float, *, gap_s: float, length_s: float) -> float:
    """Log odds of how the errors ended, given that they began inside the window.

    A fault that a rollout causes ends with it. More than 97 % of the excess inside and the end
    near the window's (within 15 s, or a tenth of its length) is worth +1.5; ending long before is
    what a short failure does by chance, and worth nothing; 3 to 20 % outside -1; more -4. (The
    prototype's figures, which gave +1.5 for any end inside.)

    Args:
        share_inside: share of the excess inside the window.
        gap_s: from the last errors to the window's end; negative if they outlast it.
        length_s: of the window.
    """
    if share_inside > 0.97:
        return 1.5 if gap_s <= max(15.0, 0.1 * length_s) else 0.0
    return -1.0 if share_inside > 0.8 else -4.0


def habit(bursts_outside: int) -> float:
    """Log odds after k bursts of the same kind outside all windows: -1.5 ln(1 + k).

    A fault that also comes without a change needs none to explain it (Gandalf's veto, NSDI 2020,
    as a weight instead of a ban: one earlier burst is a hint, five are a habit).
    """
    return -1.5 * log(1 + bursts_outside)


def spread(destinations: int) -> float:
    """Log odds of errors towards unrelated destinations: 0.5 for each beyond one, at most 1.5."""
    return min(0.5 * max(destinations - 1, 0), 1.5)


def probability(log_odds: float) -> float:
    """Log odds as a probability, the logistic function; safe for any finite input."""
    bounded = min(max(log_odds, -30.0), 30.0)
    return 1.0 / (1.0 + exp(-bounded))
