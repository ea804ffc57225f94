"""A mesh to watch: something happens to it every few minutes, until it is told to stop."""

from __future__ import annotations

from detector.clock import now
from lab.running import Lab, Options
from lab.scenarios import SCENARIOS
from lab.truth import Truth, wait

FIRST_S, QUIET_S = 60.0, 240.0
"""Seconds without faults: before the first, to learn what is normal, and between two."""
CHAPTERS = ("upgrade-nc", "crash", "push-storm", "empty-eds", "deploy-uc", "istiod-restart")
"""Two faults of the control plane, two of workloads, and two changes without harm."""


def tell(options: Options, first_s: float = FIRST_S, quiet_s: float = QUIET_S) -> None:
    """Run meshes one after the other, each through all chapters, for good.

    Args:
        options: how each mesh is set up; where its logs go.
        first_s: seconds before the first chapter.
        quiet_s: seconds before each further one.
    """
    while True:
        with Lab(options) as lab:
            _say(f"{len(lab.mesh.pods)} proxies are up")
            for number, name in enumerate(CHAPTERS):
                wait(quiet_s if number else first_s)
                _say(f"{name}: {SCENARIOS[name].title}")
                SCENARIOS[name].happen(lab, Truth())
            wait(quiet_s)


def _say(text: str) -> None:
    print(f"{now():%H:%M:%S} {text}", flush=True)
