"""Errors of each proxy against the times at which proxies took on a window's changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import polars as pl

from detector.attribution.evidence import Errors
from detector.types import Window
from models import alignment
from models.alignment import Bools, Finding, Floats, Ints

_GRADUAL = {"aligned": 0.48, "changed": 0.3, "pair": 0.2, "other": 0.02}
_SUDDEN = {"aligned": 0.25, "changed": 0.35, "pair": 0.1, "other": 0.3}
"""How often faults of a rollout fail for seconds at each proxy, fail on changed proxies until they
are repaired, fail between unequal proxies, or follow no proxy: judgement, not measurement."""

_POD = re.compile(r"^(.+?)(?:-[a-z0-9]{6,10})?-(?:[a-z0-9]{5}|\d{1,4})$")


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
    def stays(self) -> bool:
        """Whether the best way for the window to be the cause is a fault that stays."""
        ways = self.explanations
        return self.errors > 0 and max(ways, key=lambda way: ways[way]) in ("changed", "other")

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
    at, weight = known["at"].to_numpy(), known["weight"].to_numpy()
    who, pods = _coded(known, "proxy", "namespace")
    fleet = _Fleet(resets, window.expected, pods)
    own = np.array([resets.get(name, np.nan) for name in fleet.names], dtype=np.float64)[who]
    then = at + 1.0 + (errors.resolution_s / 2 if errors.resolution_s >= 1.0 else 0.0)
    changed: Bools = own <= then
    owners = fleet.owners[who]
    peers = fleet.share(owners, then)
    mesh = fleet.share_of_all(then)
    host, hosts = _coded(known, "destination")
    servers = fleet.share_of_services(host, [str(name) for (name,) in hosts], then)
    outbound = (known["reporter"] == "source").to_numpy()
    return Alignment(
        errors=round(float(weight.sum())),
        proxies=len(pods),
        aligned=alignment.alignment(
            at, weight, own, times, who, resolution_s=errors.resolution_s
        ),
        begins=alignment.begins(
            at, weight, own, times, who, onset=errors.onset, resolution_s=errors.resolution_s
        ),
        changed=alignment.contrast(changed, peers, weight, who),
        workloads=alignment.contrast(changed, mesh, weight, owners),
        pair=alignment.version_pair(
            changed[outbound], peers[outbound], servers[outbound], weight[outbound],
            who[outbound], usual=_mixed(times, fleet.share_of_all(times)),
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


def _coded(frame: pl.DataFrame, *columns: str) -> tuple[Ints, list[tuple[str | None, ...]]]:
    """Number of each row's value among the distinct values, and those values."""
    distinct = frame.select(columns).unique(maintain_order=True).with_row_index("number")
    found = frame.select(columns).join(
        distinct, on=columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return found["number"].to_numpy().astype(np.int64), distinct.drop("number").rows()


class _Fleet:
    """Proxies of a window by workload, and the share of them that has changed at a time.

    Args:
        resets: when each proxy ("pod.namespace") changed.
        expected: proxies that should change.
        pods: (pod, namespace) of the proxies that erred; they could have changed as well.
    """

    def __init__(
        self, resets: dict[str, float], expected: int, pods: Sequence[tuple[str | None, ...]]
    ) -> None:
        self._expected = expected
        by_pod: dict[str, list[str]] = {}
        for name in resets:
            by_pod.setdefault(name.rpartition(".")[0] or name, []).append(name)
        self.names = [_name(str(pod), space, resets, by_pod) for pod, space in pods]
        self._times = {name: resets.get(name, np.inf) for name in [*resets, *self.names]}
        workloads = {name: _workload(name) for name in self._times}
        numbers = {
            workload: number for number, workload in enumerate(dict.fromkeys(workloads.values()))
        }
        self.owners = np.array([numbers[workloads[name]] for name in self.names], dtype=np.int64)
        self._members: list[list[float]] = [[] for _ in numbers]
        for name, time in self._times.items():
            self._members[numbers[workloads[name]]].append(time)

    def share(self, owners: Ints, at: Floats) -> Floats:
        """Share of each error's own workload that had changed by then."""
        share = np.zeros(at.size)
        for one in np.unique(owners):
            rows = owners == one
            share[rows] = _changed(self._members[one], at[rows])
        return share

    def share_of_all(self, at: Floats) -> Floats:
        """Share of all proxies that had changed by then."""
        return _changed(list(self._times.values()), at, self._expected)

    def share_of_services(self, host: Ints, hosts: Sequence[str], at: Floats) -> Floats:
        """Share of a service's proxies, found by the pods' names; of all when none is found."""
        share = self.share_of_all(at)
        for number, name in enumerate(hosts):
            service, _, rest = name.partition(".")
            head, tail = f"{service}-", f".{rest.partition('.')[0]}"
            members = [
                time
                for proxy, time in self._times.items()
                if proxy.startswith(head) and proxy.endswith(tail)
            ]
            rows = host == number
            if members:
                share[rows] = _changed(members, at[rows])
        return share


def _name(
    pod: str, namespace: str | None, resets: dict[str, float], by_pod: dict[str, list[str]]
) -> str:
    """The "pod.namespace" that the window uses for this pod; ``pod`` itself if it has none."""
    if pod in resets:
        return pod
    candidates = by_pod.get(pod, [])
    exact = f"{pod}.{namespace}"
    return exact if exact in candidates or len(candidates) != 1 else candidates[0]


def _workload(name: str) -> str:
    """The workload of a proxy by its name: "cart-v1.shop" for "cart-v1-j55h8dh57h-28968.shop"."""
    pod, _, namespace = name.rpartition(".")
    found = _POD.match(pod or name)
    return f"{found[1] if found else pod or name}.{namespace}"


def _changed(times: Sequence[float], at: Floats, expected: int = 0) -> Floats:
    """Share of proxies with these times (infinite: not yet) that had changed by then."""
    return np.searchsorted(np.sort(times), at, "right") / max(len(times), expected, 1)
