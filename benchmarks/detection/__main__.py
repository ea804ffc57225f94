"""Simulate meshes, detect, score: ``python -m benchmarks.detection``.

Tuning seeds are below 100, evaluation seeds from 100 on; never tune on the latter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import msgspec

from benchmarks.detection.evaluate import Outcome, detect, hold_against
from benchmarks.detection.figures import figures
from benchmarks.detection.mesh import REGIMES
from benchmarks.detection.simulate import simulate
from detector.settings import Settings

EVALUATION = (201, 202, 203, 204)


def main() -> None:
    """Print the figures of all seeds together as JSON, then every false incident."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(EVALUATION))
    parser.add_argument("--services", type=int, default=80)
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--regimes", nargs="+", default=["ordinary"], choices=list(REGIMES))
    parser.add_argument("--clean", action="store_true", help="no faults: count false incidents")
    parser.add_argument("--promise", type=float, default=1.0, help="false incidents a week")
    parser.add_argument("--keep", type=Path, help="keep the files here, a folder per run")
    chosen = parser.parse_args()
    together = Outcome()
    with tempfile.TemporaryDirectory() as scratch:
        for regime, seed in ((r, s) for r in chosen.regimes for s in chosen.seeds):
            folder = (chosen.keep or Path(scratch)) / f"{regime}-{seed}"
            if not (folder / "ordinary.ndjson").exists():
                simulate(
                    folder,
                    seed,
                    services=chosen.services,
                    days=chosen.days,
                    faults=not chosen.clean,
                    regime=regime,
                )
            together.add(hold_against(detect(folder, _promising(chosen.promise)), folder))
    print(json.dumps(figures(together), indent=2))
    for incident, why in zip(together.false, together.why, strict=True):
        signals = ", ".join(sorted({one.signal for one in incident.series}))
        print(f"false: {incident.detected_at} {incident.errors:.0f} {signals} ({why or 'nothing'})")


def _promising(budget: float) -> Settings:
    settings = Settings()
    detection = msgspec.structs.replace(settings.detection, false_incidents_per_week=budget)
    return msgspec.structs.replace(settings, detection=detection)


if __name__ == "__main__":
    main()
