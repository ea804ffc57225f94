"""Memory of the baselines: bytes per series, at as many series as one likes.

    python -m benchmarks.series [--series 50000]

Every series is of an edge of its own and brings its aggregates with it. Prints resident memory
after four buckets, without what the program needs anyway.
"""

from __future__ import annotations

import argparse
import gc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from detector.engine import Engine
from detector.settings import DetectionSettings
from pipelines.schema import ROLLUP

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
BUCKETS = 4


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--series", type=int, default=50_000)
    series: int = options.parse_args().series
    _filled(100)  # what libraries allocate at their first use
    before = _resident_bytes()
    catalogue = _filled(series).catalogue
    used = _resident_bytes() - before
    keys = len(catalogue.keys)
    print(f"{series:,} series on {len(catalogue.edges):,} edges, {keys:,} with their aggregates")
    print(f"{used / 2**20:,.0f} MiB: {used / keys:,.0f} bytes each, edges included")


def _filled(series: int) -> Engine:
    engine = Engine(DetectionSettings(max_series=8 * series + 100))
    for number in range(BUCKETS):
        for bucket in engine.encode(_frame(number, series)):
            engine.judge(bucket, ())
    return engine


def _frame(number: int, series: int) -> pl.DataFrame:
    """A hundred successes and two failures of every edge in one bucket."""
    callers = [f"caller-{n // 100}.x" for n in range(series)]
    services = [f"s{n % 1000}.ns{n // 1000}.svc.cluster.local" for n in range(series)]
    time = START + timedelta(seconds=10 * number)
    return pl.DataFrame(
        {
            "time": [time] * (2 * series),
            "reporter": ["source"] * (2 * series),
            "source": callers * 2,
            "source_pod": [None] * (2 * series),
            "destination": services * 2,
            "response_code": [200] * series + [503] * series,
            "response_flags": ["-"] * series + ["UF"] * series,
            "count": [100] * series + [2] * series,
        },
        schema=ROLLUP,
    )


def _resident_bytes() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
