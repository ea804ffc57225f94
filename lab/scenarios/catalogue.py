"""All scenarios by name, and how one is run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.running import Lab, Options
from lab.scenarios import control, workload
from lab.truth import Truth, wait

QUIET_S = 45.0
"""Seconds to learn what is normal, as in the recordings."""
AFTER_S = 12.0
FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that happens to a lab."""

    name: str
    happen: Callable[[Lab, Truth], None]
    rate: float | None = None  # requests a second, if not the lab's usual

    @property
    def title(self) -> str:
        """In one sentence."""
        return (self.happen.__doc__ or "").strip().partition("\n")[0]

    def options(self, given: Options) -> Options:
        """The lab that it wants, from the one that was asked for."""
        layouts = given.layouts if "json" in given.layouts else (*given.layouts, "json")
        return replace(given, layouts=layouts, rate=self.rate or given.rate)

    def run(self, lab: Lab, *, quiet_s: float = QUIET_S, after_s: float = AFTER_S) -> Truth:
        """Let it happen in a running lab, with quiet before and after.

        Raises:
            NoEffectError: the fault left no trace in the access logs.
        """
        truth = Truth()
        wait(quiet_s)
        self.happen(lab, truth)
        wait(after_s)
        lab.load.ask("rate", per_s=0.0)
        wait(FLUSH_S)
        lab.shipper.ask("drain")
        truth.observe(lab)
        return truth

    def record(self, folder: Path, options: Options, quiet_s: float = QUIET_S) -> Truth:
        """Run it in a lab of its own, and leave its logs and its truth in a folder."""
        with Lab(self.options(options)) as lab:
            truth = self.run(lab, quiet_s=quiet_s)
            shutil.copytree(lab.folder / "shipped", folder, dirs_exist_ok=True)
            shutil.copy(lab.folder / "events.ndjson", folder)
        truth.write(folder / "truth.ndjson")
        return truth


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("upgrade-nc", control.upgrade_nc),
        Scenario("upgrade-nr", control.upgrade_nr),
        Scenario("tls-change", control.tls_change),
        Scenario("chunked-204", control.chunked_204),
        Scenario("empty-eds", control.empty_eds),
        Scenario("canary", control.canary),
        Scenario("nack", control.nack),
        Scenario("istiod-restart", control.istiod_restart),
        Scenario("push-storm", control.push_storm),
        *(Scenario(name, fault) for name, fault in workload.FAULTS.items()),
        *(
            Scenario(f"{name}-in-upgrade", workload.inside(fault))
            for name, fault in workload.FAULTS.items()
        ),
        Scenario("client-404", workload.client_404),
        Scenario("traffic-x5", workload.traffic_x5, rate=25.0),
        Scenario("clean", workload.clean),
    )
}
