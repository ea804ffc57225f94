"""Faults that a control plane causes, and what it does without harm."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from lab.mesh import Pod
from lab.policy import Order, Policy
from lab.running import Lab
from lab.truth import Truth, wait

NEXT = "1.32.0"
"""What istiods are upgraded to."""
MOVING_S = 30.0
SETTLING_S = 2.0
"""Seconds until what a push changes shows on every connection: listeners drain."""


def upgrade(
    lab: Lab,
    policy: Policy,
    order: Order | None = None,
    *,
    moving_s: float = MOVING_S,
    version: str = NEXT,
) -> None:
    """Upgrade in place: a new istiod, to which proxies come one by one; the old one ends."""
    old = lab.istiod
    new = lab.new_istiod(version, policy, order)
    wait(0.5)
    lab.serve(new)
    move(lab, lab.mesh.pods, moving_s)
    lab.wait_connected(new)
    lab.plane.ask("stop", name=old)


def move(lab: Lab, pods: Sequence[Pod], moving_s: float) -> None:
    """Let proxies connect anew, one by one, in random order and at uneven distances."""
    rng = random.Random(lab.options.seed)
    gaps = [rng.expovariate(1) for _ in pods]
    for pod, gap in zip(rng.sample(pods, len(pods)), gaps, strict=True):
        lab.move(pod)
        wait(moving_s * gap / sum(gaps))


def upgrade_nc(lab: Lab, truth: Truth) -> None:
    """Routes reach a proxy seconds before the clusters that they name."""
    with truth.fault("upgrade", "control-plane", "NC"):
        upgrade(lab, Policy(subsets=True), Order(clusters_after_s=(2, 6)))
        wait(6)


def upgrade_nr(lab: Lab, truth: Truth) -> None:
    """A proxy first gets routes in which some services are missing."""
    order = Order(routes_after_s=(3, 7), hidden=("cart", "catalog"))
    with truth.fault("upgrade", "control-plane", "NR"):
        upgrade(lab, Policy(), order)
        wait(7)


def tls_change(lab: Lab, truth: Truth) -> None:
    """The new istiod's TLS context does not fit the old one's, until both sides have it."""
    with truth.fault("upgrade", "control-plane", "UF", "URX"):
        upgrade(lab, Policy(tls="TLSv1_3"), moving_s=40)
        wait(SETTLING_S)


def chunked_204(lab: Lab, truth: Truth) -> None:
    """After the upgrade, proxies refuse a 204 with a transfer-encoding; a push repairs it."""
    with truth.fault("upgrade", "control-plane", "UPE"):
        upgrade(lab, Policy(strict_204=True))
        wait(10)
        lab.push(Policy(), "EnvoyFilter/istio-system/lenient-204")
        wait(SETTLING_S)


def empty_eds(lab: Lab, truth: Truth) -> None:
    """A push leaves a service without endpoints."""
    with truth.fault("push", "control-plane", "UH"):
        lab.push(Policy(drained=("cart",)), "ServiceEntry/default/cart")
        wait(25)
        lab.push(Policy(), "ServiceEntry/default/cart")
        wait(SETTLING_S)


def nack(lab: Lab, truth: Truth) -> None:
    """A push holds a listener that no proxy accepts; traffic goes on as it was."""
    with truth.fault("nack", "none"):
        lab.push(Policy(broken=True), "EnvoyFilter/istio-system/broken")
        wait(15)
        lab.push(Policy(), "EnvoyFilter/istio-system/broken")
        wait(5)


def istiod_restart(lab: Lab, truth: Truth) -> None:
    """The same istiod again: all proxies connect anew within seconds, nothing changes."""
    with truth.fault("restart", "none"):
        upgrade(lab, Policy(), moving_s=3, version=lab.options.istio)
        wait(10)


def canary(lab: Lab, truth: Truth) -> None:
    """One workload goes to a canary istiod, whose routes lack a service, and back again."""
    stable = lab.istiod
    new = lab.new_istiod(NEXT, Policy(hidden=("payments",)))
    pods = lab.mesh.of("cart")
    with truth.fault("canary", "control-plane", "NR"):
        lab.serve(new)
        move(lab, pods, 4)
        wait(18)
        lab.serve(stable)
        move(lab, pods, 3)
        wait(SETTLING_S)
    lab.policy = Policy()
    lab.plane.ask("stop", name=new)


def push_storm(lab: Lab, truth: Truth) -> None:
    """Twelve full pushes that change bytes and nothing else."""
    with truth.fault("storm", "none"):
        for note in range(1, 13):
            lab.push(msgspec.structs.replace(lab.policy, note=note), "ConfigMap/default/noise")
            wait(2.5)
