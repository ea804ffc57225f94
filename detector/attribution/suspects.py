"""Each reconciliation window as a suspect: what speaks for and against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp

import numpy as np
import polars as pl

from detector.attribution.arguments import Argument, clock, length, listed, percent
from detector.attribution.evidence import Errors
from detector.attribution.proxies import Alignment, align
from detector.types import Window, WindowKind
from models import alignment, coincidence

NAMES: Mapping[WindowKind, str] = {
    "upgrade": "control-plane upgrade",
    "revision": "move to another revision",
    "restart": "restart of istiod",
    "push": "configuration push",
    "push-storm": "storm of pushes",
    "reconnect-storm": "storm of reconnects",
    "nack": "refused configuration",
    "rotation": "certificate rotation",
    "sidecar-rollout": "sidecar rollout",
    "manual": "marked change",
}

_TYPICAL: Mapping[WindowKind, tuple[float, float]] = {
    "upgrade": (0.01, 300.0), "restart": (0.02, 60.0), "push": (0.05, 22.0),
    "push-storm": (0.02, 60.0), "reconnect-storm": (0.02, 60.0), "nack": (0.02, 120.0),
    "revision": (0.01, 600.0), "rotation": (0.01, 300.0), "sidecar-rollout": (0.05, 600.0),
    "manual": (0.02, 300.0),
}  # fmt: skip
"""Share of time within windows of a kind, and the length of one, before any is seen: guesses that
weigh as much as a single window. Push and upgrade follow the prototype's simulated meshes."""

_AT_ONCE: frozenset[WindowKind] = frozenset({"push", "push-storm", "nack", "manual"})
_MANY = 5  # destinations that fail at once: an istiod without endpoints, not one service
_ONE_BY_ONE: frozenset[WindowKind] = frozenset({"upgrade", "revision", "sidecar-rollout"})
_SAME_CONFIG: frozenset[WindowKind] = frozenset({"restart", "reconnect-storm"})
_REPAIR_S = 60.0  # istiod that comes back without endpoints takes this long to learn them
_AFTER_S = 25.0  # an onset this long after a window's end still belongs to it


@dataclass(frozen=True, slots=True)
class Suspect:
    """A window with its arguments; those of the incident itself are not among them."""

    window: Window
    arguments: list[Argument]
    ruled_out: bool  # the errors began before it, or long after
    compared: float = 0.0  # log odds of the comparison of proxies, one of the arguments

    @property
    def log_odds(self) -> float:
        """Sum of the arguments."""
        return sum(argument.log_odds for argument in self.arguments)


@dataclass(frozen=True, slots=True)
class Scene:
    """What all windows of an incident are judged against."""

    errors: Errors
    history: pl.DataFrame
    windows: Sequence[Window]
    coverage: Mapping[str, float]
    observed_s: float
    now: datetime


def suspect(scene: Scene, window: Window) -> Suspect:
    """Weigh one window against the errors."""
    start, end = _bounds(window, scene.now)
    slack = 3.0 + 0.6 * scene.errors.resolution_s  # an onset is the middle of its bucket
    name = NAMES[window.kind]
    early = start - slack - scene.errors.onset
    if early > 0:
        where = listed(scene.errors.destinations)
        text = f"{where} had errors {length(early + slack)} before the {name} at {clock(start)}"
        return Suspect(window, [Argument(-6.0, text)], ruled_out=True)
    if scene.errors.onset > end + _AFTER_S:
        late = length(scene.errors.onset - end)
        text = f"The {name} at {clock(start)} was over {late} before the onset"
        return Suspect(window, [Argument(-6.0, text)], ruled_out=True)
    found = align(scene.errors, window)
    arguments = [
        _coincidence(scene, window, start, end, slack),
        _onset(scene, window, start, end + _AFTER_S + slack - start),
        _aligned(found, scene.errors.resolution_s),
        *_recovery(scene, window, found, start, end),
        *_spread(scene, window),
    ]
    if window.kind in _SAME_CONFIG and len(scene.errors.destinations) < _MANY:
        arguments.append(Argument(-2.5, f"A {name} by itself changes no configuration"))
    return Suspect(window, arguments, ruled_out=False, compared=found.log_odds)


def _bounds(window: Window, now: datetime) -> tuple[float, float]:
    """From the first sign of the change to the last proxy's reconciliation."""
    times = [when.timestamp() for when in window.reconciled.values()]
    start = min([window.started_at.timestamp(), *times])
    closed = (window.ended_at or now).timestamp()
    return start, closed if window.ended_at is None or not times else max(times)


def _share(scene: Scene, kind: WindowKind, own_s: float) -> float:
    """Share of all time that other windows of a kind cover.

    Measured over little time it is pulled towards what is typical of the kind.

    Args:
        scene: with the coverage measured so far.
        kind: of the windows.
        own_s: what the suspect itself has of that coverage.
    """
    share, typical_s = _TYPICAL[kind]
    covered_s = scene.coverage.get(kind, 0.0) * scene.observed_s
    return (max(covered_s - own_s, 0.0) + typical_s) / (scene.observed_s + typical_s / share)


def _near_a_push(scene: Scene, width_s: float) -> float:
    """Chance that one of the pushes, coming as a Poisson process, starts within a span."""
    _, typical_s = _TYPICAL["push"]
    rate = _share(scene, "push", typical_s) / typical_s
    return 1.0 - exp(-rate * width_s)


def _coincidence(scene: Scene, window: Window, start: float, end: float, slack: float) -> Argument:
    """How often chance puts an onset so near to such a window, were this one not there.

    What counts is the whole span in which an onset would be laid to the window: pushes of a few
    seconds that come every minute leave hardly a moment that is not near one. It is taken as 3 %
    at the least: people change control planes in the hours in which they change workloads too,
    so that the two coincide more often than their shares of time say.
    """
    reach_s = end + _AFTER_S - start
    if window.kind == "push":
        chance = _near_a_push(scene, reach_s + slack)
    else:
        chance = _share(scene, window.kind, reach_s)
    coverage = max(chance, 0.03)
    onset = scene.errors.onset
    text = (
        f"The errors began at {clock(onset)}, {length(abs(onset - start))} "
        f"{'after' if onset >= start else 'before'} the {NAMES[window.kind]} began; "
        f"chance alone puts {100 * coverage:.2g} % of all onsets so near to one"
    )
    return Argument(coincidence.coincidence(coverage), text)


def _onset(scene: Scene, window: Window, start: float, reach_s: float) -> Argument:
    delay = max(scene.errors.onset - start, 0.0)
    resolution = scene.errors.resolution_s
    log_odds = coincidence.onset(
        delay,
        reach_s,
        mean_s=3.0 + resolution + 1.0 / scene.errors.rate,
        prompt=0.7 if window.kind in _ONE_BY_ONE else 0.9,
    )
    late = "" if log_odds > 0 else "only "
    exact = "" if resolution < 1 else f", give or take {length(resolution)}"
    name = NAMES[window.kind]
    text = f"The first errors came {late}{length(delay)} after the {name} began{exact}"
    return Argument(log_odds, text)


def _aligned(found: Alignment, resolution_s: float) -> Argument:
    """The sentence of whichever per-proxy test says most."""
    ways = found.explanations
    best = max(ways, key=lambda way: ways[way])
    if found.errors == 0:
        follow = "follow" if found.log_odds > 0 else "do not follow"
        text = f"The errors {follow} the pace at which proxies reconciled"
    elif found.proxies == 0:
        text = "All proxies changed at once, so changed and unchanged ones could not be compared"
    elif found.log_odds > 0 and best == "pair":
        text = (
            f"{percent(found.pair.observed)} of the errors were between a proxy that had changed "
            f"and one that had not; {percent(found.pair.expected)} expected by chance"
        )
    elif found.log_odds > 0 and best == "changed":
        test = max(found.changed, found.workloads, key=lambda one: one.log_odds)
        text = (
            f"{percent(test.observed)} of the errors came from proxies that had already changed; "
            f"{percent(test.expected)} expected if changed and unchanged ones failed alike"
        )
    elif found.log_odds < 0 and found.changed.log_odds < 0:
        text = (
            f"Changed and unchanged proxies failed alike: {percent(found.changed.observed)} of the "
            f"errors on changed ones, {percent(found.changed.expected)} expected by chance"
        )
    else:
        first, last = alignment.span(resolution_s)
        within = "5 s after" if resolution_s < 1 else f"{-first:.0f} s before to {last:.0f} s after"
        text = (
            f"{percent(found.aligned.observed)} of {found.errors} errors came within {within} that "
            f"proxy's own reconnect; {percent(found.aligned.expected)} expected by chance"
        )
    return Argument(found.log_odds, text)


def _recovery(
    scene: Scene, window: Window, found: Alignment, start: float, end: float
) -> list[Argument]:
    """Whether the errors ended as the change did."""
    over = scene.now.timestamp() - scene.errors.end > 20.0 + scene.errors.resolution_s
    if window.kind in _AT_ONCE:
        return _repaired(scene, start, over=over)
    if window.ended_at is None:
        return []
    at, weight = scene.errors.at, scene.errors.weight
    trail = _REPAIR_S if window.kind in _SAME_CONFIG else 15.0
    inside = float(weight[(at >= start - 10) & (at <= end + trail)].sum()) / scene.errors.total
    log_odds = coincidence.recovery(inside, gap_s=end - scene.errors.end, length_s=end - start)
    text = f"{percent(inside)} of the excess lies between the first and the last reconciliation"
    if window.kind in _ONE_BY_ONE and found.stays and scene.errors.end < end - 30.0:
        early = length(end - scene.errors.end)
        text = f"The errors ended {early} before the last proxy changed, and follow none of them"
        return [Argument(-1.5, text)]
    stays = max(found.lasting, found.pair.log_odds)
    if log_odds < -1 and stays >= 2.0:
        log_odds = -1.0  # a fault of the new configuration lasts until that is taken back
        late = length(scene.errors.end - end)
        text = f"The errors went on for {late} after the last proxy had changed"
    return [Argument(log_odds, text)]


def _repaired(scene: Scene, start: float, *, over: bool) -> list[Argument]:
    """A bad push is over in seconds, or another push ends it."""
    lasted = scene.errors.end - start
    blur = scene.errors.resolution_s
    for other in scene.windows:
        gap = scene.errors.end - other.started_at.timestamp()
        later = other.started_at.timestamp() > start + 10.0
        near = -2 - 0.04 * lasted - blur <= gap <= 10 + 2.5 * blur
        if over and later and other.kind in _AT_ONCE and near:
            chance = _near_a_push(scene, 12 + 0.04 * lasted + 3.5 * blur)
            text = (
                f"The errors ended at another push, {clock(other.started_at.timestamp())}; "
                f"{100 * chance:.2g} % expected by chance"
            )
            return [Argument(min(2.5, coincidence.coincidence(chance)), text)]
    if over and lasted <= 40.0:
        return [Argument(0.7, f"The errors were over {length(lasted)} after the push")]
    if over:
        text = f"The errors lasted {length(lasted)} and no other push ended them"
        return [Argument(-2.0, text)]
    if lasted > 40.0:
        return [Argument(-1.0, f"The errors go on {length(lasted)} after the push")]
    return []


def _spread(scene: Scene, window: Window) -> list[Argument]:
    names = scene.errors.destinations
    if len(names) > 1:
        text = f"{len(names)} destinations are hit at once: {listed(names)}"
        return [Argument(coincidence.spread(len(names)), text)]
    routing = scene.errors.frame["signal"].is_in(["NC", "NR"]).any()
    if len(window.reconciled) >= 5 and not routing:
        text = f"Only {listed(names)} fails, though {len(window.reconciled)} proxies changed"
        return [Argument(-1.0, text)]
    return []


def habit(scene: Scene) -> list[Argument]:
    """Bursts of the same signals before the incident, outside all windows: they need no change."""
    signals = scene.errors.frame["signal"].unique().implode()
    per_bucket = (
        scene.history.filter(pl.col("signal").is_in(signals))
        .group_by("time")
        .agg((pl.col("errors") - pl.col("expected")).sum().alias("excess"))
        .sort("time")
    )
    at = per_bucket["time"].dt.epoch("us").to_numpy() / 1e6
    excess = per_bucket["excess"].to_numpy()
    earlier = at < scene.errors.onset - 60.0
    peak = float(excess[~earlier].max(initial=0.0))
    times = at[earlier & (excess >= max(3.0, 0.2 * peak))]
    for window in scene.windows:
        start, end = _bounds(window, scene.now)
        times = times[(times < start - 20) | (times > end + _AFTER_S)]
    bursts = int(times.size > 0) + int((np.diff(times) > 60.0).sum())
    if bursts == 0:
        return []
    text = f"The same errors came in {bursts} earlier bursts outside any window"
    return [Argument(coincidence.habit(bursts), text)]
