"""Simulate meshes, detect, score: ``python -m benchmarks.detection``.

Tuning seeds are below 100, evaluation seeds from 100 on; never tune on the latter.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.detection.evaluate import Outcome, detect, figures, hold_against
from benchmarks.detection.simulate import simulate
from detector.settings import Settings

EVALUATION = (101, 102, 103, 104)


def main() -> None:
    """Print the figures of all seeds together as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(EVALUATION))
    parser.add_argument("--services", type=int, default=80)
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--clean", action="store_true", help="no faults: count false incidents")
    parser.add_argument("--keep", type=Path, help="keep the files here, a folder per seed")
    chosen = parser.parse_args()
    together = Outcome()
    with tempfile.TemporaryDirectory() as scratch:
        for seed in chosen.seeds:
            folder = (chosen.keep or Path(scratch)) / str(seed)
            if not (folder / "truth.ndjson").exists():
                simulate(
                    folder,
                    seed,
                    services=chosen.services,
                    days=chosen.days,
                    faults=not chosen.clean,
                )
            together.add(hold_against(detect(folder, Settings()), folder))
    print(json.dumps(figures(together), indent=2))


if __name__ == "__main__":
    main()
