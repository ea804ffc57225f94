"""Windows of the lab with all control-plane input removed, against those of istiod's log.

    python -m lab scenario all --mixed --layouts 1.23
    python -m benchmarks.inference [FOLDER]

A window is wanted if istiod's log has one that proxies notice: they moved to another istiod, or
refused what it sent. It is inferred if one starts within a minute of it, from the access log with
the proxies' own lines among it, as they arrive on one topic. The access log alone is shown beside
it: an upgrade that breaks nothing leaves no trace there. *Others* are inferred where nothing was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector.replaying import Inputs, replay
from detector.settings import Settings
from detector.types import Window

NOTICED = ("upgrade", "revision", "restart", "reconnect-storm", "nack")
NEAR_S = 60.0
SHARE, LATE_S = 0.8, 15.0


def windows(access: Sequence[Path], control: Sequence[Path] = ()) -> list[Window]:
    """The windows that a replay of these files ends with."""
    inputs = Inputs(access=list(map(str, access)), control=list(map(str, control)))
    return list(replay(inputs, Settings(), lambda _: None).worker.windows)


def late_s(wanted: Window, found: Sequence[Window]) -> float | None:
    """Seconds from a window's start to that of the nearest inferred one; None if it is missed."""
    times = [abs((one.started_at - wanted.started_at).total_seconds()) for one in found]
    near = [time for time in times if time <= NEAR_S]
    return min(near, default=None)


def main(folder: Path) -> bool:
    """Print a line for each scenario and the sum; whether what is promised holds."""
    print("| scenario | noticed by proxies | access log alone | with the proxies' lines |")
    print("|---|---|---|---|")
    late: dict[str, list[float | None]] = {"alone": [], "with": []}
    extra = {"alone": 0, "with": 0}
    for scenario in sorted(path for path in folder.iterdir() if path.is_dir()):
        access = scenario / "access.1.23.log"
        known = windows([access], [scenario / "istiod.log"])
        wanted = [one for one in known if one.kind in NOTICED]
        cells = []
        for way, files in (("alone", [access]), ("with", [access, scenario / "proxy.log"])):
            found = windows(files)
            times = [late_s(one, found) for one in wanted]
            late[way] += times
            others = [one for one in found if late_s(one, known) is None]
            extra[way] += len(others)
            cells.append(_told(times, others))
        kinds = ", ".join(one.kind for one in wanted) or "none"
        print(f"| {scenario.name} | {kinds} | {' | '.join(cells)} |", flush=True)
    _sum("alone", late["alone"], extra["alone"])
    return _sum("with", late["with"], extra["with"])


def _told(times: Sequence[float | None], others: Sequence[Window]) -> str:
    told = ["missed" if time is None else f"{time:.1f} s off" for time in times]
    told += [f"**{one.kind} inferred where nothing was**" for one in others]
    return ", ".join(told) or "none"


def _sum(way: str, times: Sequence[float | None], extra: int) -> bool:
    hits = [time for time in times if time is not None]
    share = len(hits) / len(times)
    p90 = float(np.quantile(hits, 0.9)) if hits else float("inf")
    print(f"{way}: {len(hits)} of {len(times)} inferred, start p90 {p90:.1f} s off, {extra} others")
    return share >= SHARE and p90 <= LATE_S and extra == 0


if __name__ == "__main__":
    sys.exit(0 if main(Path(sys.argv[1] if len(sys.argv) > 1 else "lab-out")) else 1)
