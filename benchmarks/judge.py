"""What it costs to judge a bucket, by number of series: ``python -m benchmarks.judge``.

Prints seconds a bucket on one core, bytes of a snapshot per series and seconds to restore it.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from detector.engine import Bucket, Engine
from detector.engine.series import Codebook, Edge
from detector.settings import DetectionSettings

START = datetime(2026, 3, 2, tzinfo=UTC)
SIGNALS = ("500", "503", "UF", "UC")
BUSY = 0.05  # share of series with an error in a bucket


def main() -> None:
    """Judge buckets of a made-up mesh and print the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--buckets", type=int, default=30)
    chosen = parser.parse_args()
    edges = [
        Edge("source", f"app-{i}-v1.shop", f"svc-{i % 5000}.shop.svc.cluster.local")
        for i in range(chosen.series // len(SIGNALS))
    ]
    series = [(edge, signal) for edge in range(len(edges)) for signal in SIGNALS]
    book, rng = Codebook(edges, series), np.random.default_rng(1)
    engine = Engine(DetectionSettings(max_series=2 * chosen.series + 10_000))
    costs = []
    for n in range(chosen.buckets):
        failing = np.flatnonzero(rng.random(len(series)) < (1.0 if n == 3 else BUSY))
        bucket = Bucket(
            START + n * timedelta(seconds=10),
            book,
            np.arange(len(edges)),
            rng.poisson(50.0, len(edges)).astype(np.float64),
            failing,
            np.ones(failing.size),
        )
        begun = time.process_time()
        engine.judge(bucket, [])
        costs.append(time.process_time() - begun)
    settled = costs[5:]
    data = engine.snapshot()
    begun = time.process_time()
    Engine(engine.settings).restore(data)
    print(
        f"{len(series):,} series: {np.median(settled):.3f} s a bucket, "
        f"{max(settled):.3f} s at most; "
        f"snapshot {len(data) / len(series):.0f} bytes a series, "
        f"restored in {time.process_time() - begun:.2f} s"
    )


if __name__ == "__main__":
    main()
