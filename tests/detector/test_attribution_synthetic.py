"""Simulated meshes by seed: seeds below 1000 served to shape the model, these did not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest

from detector.attribution import Case, explain
from detector.types import Attribution, Cause, WindowKind
from tests.detector.attribution_scenes import Mesh, Scene, anonymous

pytestmark = pytest.mark.no_cover

SEEDS = range(1000, 1100)
GRADUAL: tuple[WindowKind, ...] = ("upgrade", "sidecar-rollout")
REFUSED = "upstream_reset_before_response_started,remote_connection_failure,Connection_refused"


@dataclass(frozen=True)
class Drawn:
    """A case with its true cause and window."""

    case: Case
    cause: Cause
    window: str | None


def rollout_fault(seed: int) -> Drawn:
    """Three overlapping windows, one of which makes proxies fail in one of three ways."""
    mesh, scene = Mesh(seed), Scene()
    for number in range(3):
        start = 0.0 if number == 0 else float(mesh.rng.uniform(-40.0, 20.0))
        scene.window(
            GRADUAL[int(mesh.rng.integers(2))],
            mesh.rollout(start, length=float(mesh.rng.uniform(60.0, 400.0))),
            name=f"w{number}",
        )
    resets = {
        proxy.rpartition(".")[0]: when.timestamp() - _EPOCH
        for proxy, when in scene.windows[0].reconciled.items()
    }
    way = ("transient", "lasting", "pair")[int(mesh.rng.integers(3))]
    hit, end = mesh.destinations(4), max(resets.values())
    for client, server, rate in mesh.edges:
        for pod in mesh.pods[client]:
            for to in mesh.pods[server]:
                each = rate / len(mesh.pods[client]) / len(mesh.pods[server])
                spans = {
                    "transient": (resets[pod], resets[pod] + 3.0),
                    "lasting": (resets[to], end + 60.0),
                    "pair": (resets[to], resets[pod]),
                }
                if way != "pair" and server not in hit:
                    continue
                for at in mesh.times(each, *spans[way]):
                    scene.error(
                        at,
                        pod=pod,
                        source=f"{client}.shop",
                        destination=server,
                        server=to if way == "lasting" else None,
                        inbound=way == "lasting",
                        signal={"transient": "NR", "lasting": "UPE", "pair": "UF"}[way],
                    )
    return Drawn(scene.case(), "control-plane", "w0")


def crash_in_rollout(seed: int) -> Drawn:
    """A destination crashes in the middle of a harmless rollout; all its callers suffer."""
    mesh, scene = Mesh(seed), Scene()
    length = float(mesh.rng.uniform(60.0, 600.0))
    scene.window(GRADUAL[int(mesh.rng.integers(2))], mesh.rollout(0.0, length=length))
    (hit,) = mesh.destinations(1)
    start = float(mesh.rng.uniform(0.1, 0.8)) * length
    end = start + float(mesh.rng.uniform(10.0, 120.0))
    inbound = bool(mesh.rng.random() < 0.5)
    for client, server, rate in mesh.edges:
        for pod in mesh.pods[client] if server == hit else []:
            for to in mesh.pods[server]:
                each = rate / len(mesh.pods[client]) / len(mesh.pods[server])
                for at in mesh.times(each, start, end):
                    scene.error(
                        at,
                        pod=pod,
                        source=f"{client}.shop",
                        destination=server,
                        server=to,
                        inbound=inbound,
                        signal="UF",
                        details=REFUSED,
                    )
    return Drawn(scene.case(now=max(end, length) + 60.0), "workload", None)


_EPOCH = Scene().window("push", {"x": 0.0}).started_at.timestamp()


def enough(drawn: Drawn) -> bool:
    """Whether there is anything to explain: a fault on edges without traffic leaves no errors."""
    return drawn.case.moments.height >= 12


@cache
def drawn(kind: str) -> list[Drawn]:
    make = {"rollout": rollout_fault, "crash": crash_in_rollout}[kind]
    found = []
    for seed in SEEDS:
        try:
            one = make(seed)
        except ValueError:  # no error at all fell to this seed
            continue
        if enough(one):
            found.append(one)
    assert len(found) >= 85
    return found


@cache
def answers(kind: str) -> list[Attribution]:
    return [explain(one.case) for one in drawn(kind)]


def share_right(cases: list[Drawn], found: list[Attribution]) -> float:
    right = [
        said.cause == one.cause and (said.window.id if said.window else None) == one.window
        for one, said in zip(cases, found, strict=True)
    ]
    return sum(right) / len(right)


def test_of_three_overlapping_windows_the_right_one_is_named() -> None:
    assert share_right(drawn("rollout"), answers("rollout")) >= 0.9


def test_a_crash_in_the_middle_of_a_harmless_rollout_is_called_workload() -> None:
    assert share_right(drawn("crash"), answers("crash")) >= 0.9


@pytest.mark.parametrize(("kind", "floor"), [("rollout", 0.6), ("crash", 0.5)])
def test_without_proxies_the_answer_is_worse_and_less_sure(kind: str, floor: float) -> None:
    known, told = drawn(kind)[:40], answers(kind)[:40]
    blind = [explain(anonymous(one.case)) for one in known]
    assert floor <= share_right(known, blind) <= share_right(known, told)
    assert sum(one.confidence for one in blind) < sum(one.confidence for one in told)


def test_confidence_means_what_it_says() -> None:
    found = [*zip(drawn("rollout"), answers("rollout"), strict=True)]
    found += zip(drawn("crash"), answers("crash"), strict=True)
    said = sum(answer.confidence for _, answer in found) / len(found)
    true = sum(answer.cause == one.cause for one, answer in found) / len(found)
    assert said == pytest.approx(true, abs=0.08)
