"""Faults that workloads and clients cause, and load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab.policy import Policy
from lab.running import Lab
from lab.scenarios.control import upgrade
from lab.truth import Truth, wait

LASTING_S = 25.0
Breaking = Callable[[Lab, Truth], None]


def crash(lab: Lab, truth: Truth) -> None:
    """One of two payments pods dies, and comes back."""
    pods = [lab.mesh.of("payments")[0].id]
    with truth.fault("crash", "workload", "UC", "UF", "URX"):
        lab.apps.ask("crash", pods=pods)
        wait(LASTING_S)
        lab.apps.ask("restart", pods=pods)


def deploy_uc(lab: Lab, truth: Truth) -> None:
    """A deploy of cart without grace: each pod in turn breaks off requests."""
    with truth.fault("deploy", "workload", "UC"):
        for pod in lab.mesh.of("cart"):
            with _misbehaving(lab, [pod.id], 0.5, fault="reset"):
                wait(LASTING_S / 2)


def timeout(lab: Lab, truth: Truth) -> None:
    """Payments answers more slowly than the route allows."""
    with truth.fault("slow", "workload", "UT"):
        pods = [pod.id for pod in lab.mesh.of("payments")]
        with _misbehaving(lab, pods, 0.7, delay_s=4.0):
            wait(LASTING_S)


def overflow(lab: Lab, truth: Truth) -> None:
    """Catalog is so slow that its circuit breakers open."""
    with truth.fault("overflow", "workload", "UO"):
        pods = [pod.id for pod in lab.mesh.of("catalog")]
        with _misbehaving(lab, pods, 1.0, delay_s=4.0):
            wait(LASTING_S)


def authz_down(lab: Lab, truth: Truth) -> None:
    """The authorisation service that payments asks dies, and comes back."""
    with truth.fault("authz", "workload", "UAEX"):
        lab.apps.ask("authz", up=False)
        wait(LASTING_S)
        lab.apps.ask("authz", up=True)


FAULTS: dict[str, Breaking] = {
    "crash": crash,
    "deploy-uc": deploy_uc,
    "timeout": timeout,
    "overflow": overflow,
    "authz-down": authz_down,
}


def inside(fault: Breaking) -> Breaking:
    """The same fault in the midst of an upgrade that does no harm."""

    def run(lab: Lab, truth: Truth) -> None:
        with ThreadPoolExecutor(1) as beside:
            upgrading = beside.submit(upgrade, lab, Policy(), moving_s=40.0)
            wait(10)
            fault(lab, truth)
            upgrading.result()

    run.__doc__ = f"{(fault.__doc__ or '').rstrip('.')}, while an upgrade without harm goes on."
    return run


def client_404(lab: Lab, truth: Truth) -> None:
    """One client asks for what is not there."""
    with truth.fault("client", "none"):
        lab.load.ask("surge", kind="missing", per_s=20.0)
        wait(LASTING_S)
        lab.load.ask("surge", kind="missing", per_s=0.0)


def traffic_x5(lab: Lab, truth: Truth) -> None:
    """Five times the traffic, of the same mix."""
    with truth.fault("load", "none"):
        lab.load.ask("rate", per_s=lab.options.rate * 5)
        wait(LASTING_S)
        lab.load.ask("rate", per_s=lab.options.rate)


def clean(_: Lab, truth: Truth) -> None:
    """Nothing happens."""
    with truth.fault("nothing", "none"):
        wait(LASTING_S)


@contextmanager
def _misbehaving(
    lab: Lab, pods: list[str], share: float, *, fault: str = "", delay_s: float = 0.0
) -> Iterator[None]:
    """A share of these pods' answers go wrong as long as the block lasts."""
    ask = {"fault": fault, "delay_s": delay_s}
    lab.apps.ask("misbehave", pods=pods, share=share, ask=ask)
    try:
        yield
    finally:
        lab.apps.ask("misbehave", pods=pods, share=0.0, ask={})
