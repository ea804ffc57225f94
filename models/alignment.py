"""Do the errors of each proxy follow that proxy's own change?

Every test returns natural log odds: how many times likelier the data are when the change is the
cause than when it is not. Positive speaks for the change. Times are seconds on any common clock,
weights are counts of errors (fractions are welcome: the part of a count above its baseline).

Errors of one proxy are not independent of each other, so no test counts them singly: see
`effective_size`. The clips bound what one test may say on its own, because every model of an
error's cause is wrong somewhere; they are those of the prototype that this model grew from.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FLOOR, _CEILING = -5.0, 8.0
_FAULT_S = 5.0  # how long after its own reconnect a proxy's errors begin, at most
_LEAK = 0.15  # share of a transient fault's errors that may fall outside that span
_RATIO = 30.0  # how many times more often a changed proxy fails, if the change is the cause
_NOISE = 0.03  # share of a version-pair fault's errors on pairs that should not fail


@dataclass(frozen=True, slots=True)
class Finding:
    """What a test saw (``observed``), what chance would show (``expected``), and its weight.

    ``size`` is the number of independent facts behind it; 0 means that the data cannot tell,
    and then ``log_odds`` is 0 too.
    """

    observed: float
    expected: float
    size: float
    log_odds: float


SILENT = Finding(observed=0.0, expected=0.0, size=0.0, log_odds=0.0)
"""The finding of a test that had nothing to look at."""


def effective_size(weights: Floats, groups: Ints) -> float:
    """How many independent facts are in errors that come in groups (one group, one proxy).

    1.5 times Kish's number of equal groups, (sum W)^2 / sum W^2 with W the weight of a group
    (Kish, Survey Sampling, 1965), and never more than the errors themselves.
    """
    total = float(weights.sum())
    if total <= 0.0:
        return 0.0
    per_group = np.bincount(groups, weights=weights)
    return min(1.5 * total**2 / float(np.square(per_group).sum()), total)


def _weigh(log_odds: Floats, weights: Floats, groups: Ints) -> tuple[float, float]:
    """Size, and clipped log odds: mean log odds of an error, times the effective size."""
    size = effective_size(weights, groups)
    if size == 0.0:
        return 0.0, 0.0
    mean = float(np.average(log_odds, weights=weights))
    return size, float(np.clip(size * mean, _FLOOR, _CEILING))


def span(resolution_s: float) -> tuple[float, float]:
    """The offsets from its own reconnect at which a proxy's errors count as aligned, in seconds.

    A proxy fails from its reconnect until its configuration is whole, which recordings of real
    proxies show to take up to 5 s; 1 s is allowed for clocks that disagree. Times known only to a
    bucket blur that on both sides: 10 s give -9..+14 s.
    """
    return -1.0 - 0.8 * resolution_s, _FAULT_S + 0.9 * resolution_s


def alignment(
    times: Floats,
    weights: Floats,
    own_reset: Floats,
    all_resets: Floats,
    groups: Ints,
    *,
    resolution_s: float,
    wait_s: float = 0.0,
) -> Finding:
    """Do errors come within seconds of *that proxy's own* reconnect?

    Permutation test against the other proxies' times: A is the share of errors inside `span` of
    the own reconnect; q the share that would be if each proxy had reconnected at another one's
    time, averaged over all of them exactly (the limit of infinitely many random draws, so the
    result is deterministic). If the change is the cause, an error is aligned with probability
    p = (1 - leak) + leak q:  log odds per error = A ln(p/q) + (1 - A) ln((1-p)/(1-q)).

    Where all proxies reconnect at once, q nears 1 and the test rightly says nothing.

    Args:
        times: of the errors.
        weights: of the errors.
        own_reset: reconnect of the proxy that reported the error; NaN when it had none.
        all_resets: reconnects of all proxies of the window.
        groups: number of the reporting proxy.
        resolution_s: how exactly the times are known.
        wait_s: how much longer than `span` allows an error may take, for want of requests.
    """
    if all_resets.size < 2:
        return SILENT
    first, last = span(resolution_s)
    last += wait_s
    offset = times - own_reset
    aligned = (offset >= first) & (offset <= last)  # NaN compares as false
    ordered = np.sort(all_resets)
    inside = np.searchsorted(ordered, times - first, "right") - np.searchsorted(
        ordered, times - last, "left"
    )
    has_own = ~np.isnan(own_reset)
    others = ordered.size - has_own.astype(np.float64)
    by_chance = (inside - (aligned & has_own)) / others
    size = effective_size(weights, groups)
    if size == 0.0:
        return SILENT
    observed = float(np.average(aligned, weights=weights))
    chance = float(np.clip(np.average(by_chance, weights=weights), 0.01, 0.99))
    likely = 1.0 - _LEAK + _LEAK * chance
    mean = observed * log(likely / chance) + (1.0 - observed) * log((1 - likely) / (1 - chance))
    return Finding(observed, chance, size, float(np.clip(size * mean, _FLOOR, _CEILING)))


def begins(
    times: Floats,
    weights: Floats,
    own_reset: Floats,
    all_resets: Floats,
    groups: Ints,
    *,
    onset: float,
    resolution_s: float,
) -> Finding:
    """Does each proxy's *first* error come within seconds of its own reconnect?

    The alignment test on one error per proxy: its first since the onset of the whole. For faults
    that stay, whose later errors are aligned with nothing. Proxies with few requests may wait for
    their first error: the mean time between errors of the median proxy is allowed on top.
    """
    since = times >= onset - 1.0
    times, weights, groups = times[since], weights[since], groups[since]
    proxies, first = np.unique(groups, return_index=True)
    if proxies.size == 0:
        return SILENT
    per_proxy = np.bincount(groups, weights=weights)[proxies]
    lasted = np.array([times[groups == one][-1] for one in proxies]) - times[first]
    gap = float(np.median(lasted / np.maximum(per_proxy - 1.0, 1.0)))
    return alignment(
        times[first],
        np.ones(proxies.size),
        own_reset[since][first],
        all_resets,
        np.arange(proxies.size),
        resolution_s=resolution_s,
        wait_s=min(gap, 30.0),
    )


def contrast(changed: Bools, share: Floats, weights: Floats, groups: Ints) -> Finding:
    """Do proxies that have changed fail more than those that have not, at the same moment?

    Difference in differences with the not-yet-changed proxies as control group (as FUNNEL does,
    CoNEXT 2015): whatever else happens at time t happens to both. With F the share of comparable
    proxies that have changed at t, an error falls on a changed one with probability F by chance,
    and rF / (rF + 1 - F) if changed proxies fail r = 30 times as often. Errors at times when all
    or none have changed say nothing and are left out.

    Args:
        changed: whether the proxy of the error had changed when it came.
        share: F, at the time of each error.
        weights: of the errors.
        groups: number of the proxy, or of its workload when that is the unit compared.
    """
    telling = (share > 0.0) & (share < 1.0) & (weights > 0.0)
    if not telling.any():
        return SILENT
    changed, share = changed[telling], share[telling]
    weights, groups = weights[telling], groups[telling]
    likely = _RATIO * share / (_RATIO * share + 1.0 - share)
    per_error = np.where(changed, np.log(likely / share), np.log((1 - likely) / (1 - share)))
    size, log_odds = _weigh(per_error, weights, groups)
    return Finding(
        float(np.average(changed, weights=weights)),
        float(np.average(share, weights=weights)),
        size,
        log_odds,
    )


def version_pair(
    client_changed: Bools,
    client_share: Floats,
    server_share: Floats,
    weights: Floats,
    groups: Ints,
    *,
    usual: tuple[float, float],
) -> Finding:
    """Do exactly the calls between an old and a new proxy fail?

    h is the probability that the failing call was between a client that has not changed and a
    server that has (F_s, the share of the server's proxies that have changed); h' the same for
    any client of that moment, (1 - F_c) F_s; h'' its mean over the whole window. Log odds per
    error are ln[(n + (1-n) h) / (n + (1-n) h')], n = 0.03, weighted by the number of clients, and
    ln[(n + (1-n) h') / (n + (1-n) h'')] as a single fact worth 1 at the most. The reverse (new
    client, old server) is tried too and the better one taken. Because the first part compares
    within one moment, a crash in the middle of a rollout does not look like a mismatch: it hits
    all alike.

    Args:
        client_changed: whether the calling proxy had changed when the call failed.
        client_share: share of comparable clients that had.
        server_share: share of the destination's proxies that had.
        weights: of the errors.
        groups: number of the calling proxy.
        usual: h'' of the pair (old client, new server), and of the reverse.
    """
    old = (~client_changed).astype(np.float64)
    forward = (old * server_share, (1 - client_share) * server_share)
    backward = ((1 - old) * (1 - server_share), client_share * (1 - server_share))
    return max(
        (
            _mixture(mixed, by_chance, mean, weights, groups)
            for (mixed, by_chance), mean in zip((forward, backward), usual, strict=True)
        ),
        key=lambda finding: finding.log_odds,
    )


def _mixture(
    mixed: Floats, by_chance: Floats, usual: float, weights: Floats, groups: Ints
) -> Finding:
    if float(weights.sum()) <= 0.0:
        return SILENT
    here, moment, window = (_NOISE + (1 - _NOISE) * h for h in (mixed, by_chance, usual))
    _, of_clients = _weigh(np.log(here / moment), weights, groups)
    size, of_time = _weigh(np.log(moment / window), weights, np.zeros_like(groups))
    return Finding(
        float(np.average(mixed, weights=weights)),
        float(np.average(by_chance, weights=weights)),
        max(size, effective_size(weights, groups)),
        float(np.clip(of_clients + min(of_time, 1.0), _FLOOR, _CEILING)),
    )


def progress(times: Floats, weights: Floats, all_resets: Floats) -> Finding:
    """Do errors spread over the rollout as the reconnects do? For errors of unknown proxies.

    D is the Kolmogorov-Smirnov distance between the two distributions in time (reconnects moved
    by half of the 5 s that a fault lasts). Faults that follow reconnects have a small one, a
    crash in the middle of a rollout a large one. Log odds = clip(2.5 - 8 D, -1.5, 2.5), reduced
    in proportion below 10 independent facts: a line drawn by eye, so it may say little.
    """
    total = float(weights.sum())
    if all_resets.size < 3 or total <= 0.0:
        return SILENT
    order = np.argsort(times)
    times, shares = times[order], np.cumsum(weights[order]) / total
    resets = np.sort(all_resets) + _FAULT_S / 2
    grid = np.concatenate((times, resets))
    errors_until = np.concatenate(([0.0], shares))[np.searchsorted(times, grid, "right")]
    resets_until = np.searchsorted(resets, grid, "right") / resets.size
    distance = float(np.abs(errors_until - resets_until).max())
    size = min(total, float(resets.size))
    log_odds = float(np.clip(2.5 - 8.0 * distance, -1.5, 2.5)) * min(1.0, size / 10.0)
    return Finding(1.0 - distance, 0.5, size, log_odds)
