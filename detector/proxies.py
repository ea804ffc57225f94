"""Errors of each proxy against the times at which proxies took on a window's changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np
import polars as pl

from detector.evidence import Errors
from detector.types import Window
from models import alignment
from models.alignment import Bools, Finding, Floats, Ints

_GRADUAL = {"aligned": 0.45, "changed": 0.27, "pair": 0.2, "other": 0.08}
_SUDDEN = {"aligned": 0.25, "changed": 0.35, "pair": 0.1, "other": 0.3}
"""How often faults of a rollout fail for seconds at each proxy, fail on changed proxies until they
are repaired, fail between unequal proxies, or follow no proxy: judgement, not measurement."""

_POD = re.compile(r"^(.+?)(?:-[a-z0-9]{6,10})?-(?:[a-z0-9]{5}|\d{1,4})$")


@lru_cache(maxsize=65536)
def owner(pod: str) -> str:
    """What a pod belongs to, by its name: "cart-v1" for "cart-v1-j55h8dh57h-28968"."""
    found = _POD.match(pod)
    return found[1] if found else pod


@dataclass(frozen=True, slots=True)
class Alignment:
    """Errors of known proxies against the times at which proxies took on a window's changes."""

    errors: int  # of known proxies
    proxies: int  # that reported them; 0 when they could not be compared
    aligned: Finding  # with the proxy's own reconnect
    begins: Finding  # first error of each proxy with its own reconnect
    changed: Finding  # changed proxies against unchanged ones of the same workload
    workloads: Finding  # changed workloads against unchanged ones
    pair: Finding  # old client and new server, or the reverse
    progress: Finding  # error times against reconnect times, proxies unknown
    sudden: bool  # the change reached all proxies at once

    @property
    def lasting(self) -> float:
        """Log odds of a fault that stays with a changed proxy until it is repaired."""
        parts = self.changed.log_odds + self.workloads.log_odds + self.begins.log_odds
        return float(np.clip(parts, -5.0, 8.0))

    @property
    def explanations(self) -> dict[str, float]:
        """ln(prior x likelihood ratio) of each way in which a window may cause errors."""
        share = _SUDDEN if self.sudden else _GRADUAL
        if self.errors == 0:
            log_odds = {"progress": self.progress.log_odds, "other": 0.0}
            share = {"progress": 0.7, "other": 0.3}
        else:
            log_odds = {
                "aligned": self.aligned.log_odds,
                "changed": self.lasting,
                "pair": self.pair.log_odds,
                "other": 0.0,
            }
        return {way: log(share[way]) + value for way, value in log_odds.items()}

    @property
    def log_odds(self) -> float:
        """Of the window as the cause, over all ways; clipped as the single tests are."""
        return float(np.clip(np.logaddexp.reduce(list(self.explanations.values())), -5.0, 8.0))


def align(errors: Errors, window: Window) -> Alignment:
    """Compare the errors with each proxy's own time of reconciliation in this window."""
    resets = {proxy: when.timestamp() for proxy, when in window.reconciled.items()}
    times = np.array(sorted(resets.values()), dtype=np.float64)
    progress = alignment.progress(errors.at, errors.weight, times)
    known = errors.frame.filter(pl.col("proxy").is_not_null())
    most = times.size >= 0.8 * window.expected
    sudden = most and _spread(times) < 20.0
    if known.is_empty() or (most and _spread(times) <= 3.0 + errors.resolution_s):
        return _untold(known.height, progress, sudden=sudden)
    fleet = _Fleet(resets, window.expected)
    at, weight = known["at"].to_numpy(), known["weight"].to_numpy()
    names = [
        fleet.name(str(pod), space) for pod, space in known.select("proxy", "namespace").iter_rows()
    ]
    fleet.add(names)
    groups, owners = _codes(names), _codes([fleet.owner_of(name) for name in names])
    own = np.array([resets.get(name, np.nan) for name in names], dtype=np.float64)
    then = at + 1.0 + (errors.resolution_s / 2 if errors.resolution_s >= 1.0 else 0.0)
    changed: Bools = own <= then
    peers = fleet.share(names, then)
    mesh = fleet.share_of_all(then)
    outbound = (known["reporter"] == "source").to_numpy()
    servers = fleet.share_of_service([str(host) for host in known["destination"]], then)
    return Alignment(
        errors=round(float(weight.sum())),
        proxies=len(set(names)),
        aligned=alignment.alignment(
            at, weight, own, times, groups, resolution_s=errors.resolution_s
        ),
        begins=alignment.begins(
            at, weight, own, times, groups, onset=errors.onset, resolution_s=errors.resolution_s
        ),
        changed=alignment.contrast(changed, peers, weight, groups),
        workloads=alignment.contrast(changed, mesh, weight, owners),
        pair=alignment.version_pair(
            changed[outbound], peers[outbound], servers[outbound], weight[outbound],
            groups[outbound], usual=_mixed(times, fleet.share_of_all(times)),
        ),
        progress=progress,
        sudden=sudden,
    )  # fmt: skip


def _spread(times: Floats) -> float:
    """Seconds in which the middle four fifths of the proxies changed."""
    return float(np.ptp(np.quantile(times, (0.1, 0.9)))) if times.size > 1 else 0.0


def _untold(errors: int, progress: Finding, *, sudden: bool) -> Alignment:
    """What can be said when no proxy is known, or none changed noticeably before the others."""
    silent = alignment.SILENT
    return Alignment(errors, 0, silent, silent, silent, silent, silent, progress, sudden)


def _mixed(times: Floats, share: Floats) -> tuple[float, float]:
    """Share of pairs (old client, new server) over the window's time; the reverse is as common."""
    if times.size < 2 or times[-1] <= times[0]:
        return 0.0, 0.0
    mean = float(np.average(share[:-1] * (1 - share[:-1]), weights=np.diff(times)))
    return mean, mean


def _codes(names: Sequence[str]) -> Ints:
    return np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


class _Fleet:
    """Proxies of a window by workload, and the share of them that has changed at a time."""

    def __init__(self, resets: dict[str, float], expected: int) -> None:
        self._resets = resets
        self._expected = expected
        self._names = set(resets)
        self._by_pod: dict[str, list[str]] = {}
        for name in resets:
            self._by_pod.setdefault(name.rpartition(".")[0] or name, []).append(name)

    def name(self, pod: str, namespace: str | None) -> str:
        """The "pod.namespace" that the window uses for this pod; ``pod`` itself if it has none."""
        if pod in self._resets:
            return pod
        candidates = self._by_pod.get(pod, [])
        exact = f"{pod}.{namespace}"
        return exact if exact in candidates or len(candidates) != 1 else candidates[0]

    def add(self, names: Sequence[str]) -> None:
        """Count proxies that erred among those that could have changed."""
        self._names.update(names)

    def owner_of(self, name: str) -> str:
        """The workload of a proxy, with its namespace."""
        pod, _, namespace = name.rpartition(".")
        return f"{owner(pod or name)}.{namespace}"

    def share(self, names: Sequence[str], at: Floats) -> Floats:
        """Share of each proxy's own workload that had changed by then."""
        members: dict[str, list[str]] = {}
        for name in self._names:
            members.setdefault(self.owner_of(name), []).append(name)
        owners = np.array([self.owner_of(name) for name in names])
        share = np.zeros(at.size)
        for one in np.unique(owners):
            rows = owners == one
            share[rows] = self._changed(members[str(one)], at[rows], 0)
        return share

    def share_of_all(self, at: Floats) -> Floats:
        """Share of all proxies that had changed by then."""
        return self._changed(list(self._names), at, self._expected)

    def share_of_service(self, hosts: Sequence[str], at: Floats) -> Floats:
        """Share of a service's proxies, found by the pods' names; of all when none is found."""
        share = self.share_of_all(at)
        array = np.array(hosts)
        for host in np.unique(array):
            service, _, rest = str(host).partition(".")
            namespace = rest.partition(".")[0]
            members = [
                name
                for name in self._names
                if name.startswith(f"{service}-") and name.endswith(f".{namespace}")
            ]
            rows = array == host
            if members:
                share[rows] = self._changed(members, at[rows], 0)
        return share

    def _changed(self, names: Sequence[str], at: Floats, expected: int) -> Floats:
        times = np.sort([self._resets[name] for name in names if name in self._resets])
        return np.searchsorted(times, at, "right") / max(len(names), expected, 1)
