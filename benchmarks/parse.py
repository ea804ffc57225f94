"""How fast raw access log lines become counts, beside other ways to count them.

    python -m benchmarks.parse [--lines 200000] [--runs 5] [--encoding text]

Prints, per encoding and runner: entries a second of CPU time (median over the runs, which take
turns so that a busy neighbour hits all alike), the ratio to the Python loop and to polars without
checks, and the peak of resident memory, interpreter, libraries and lines included. Every run is a
process of its own on one core. Pushwake's runner is the whole path, raw bytes to closed rollups,
with every check.

glibc returns large blocks to the system and takes them back at each batch; the environment in
``ALLOCATOR`` stops that. It has to be set before Python starts, so whatever starts the process
sets it, never library code.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.lines import ENCODINGS, entries
from benchmarks.rivals import BATCH, RIVALS, MissingRivalError
from pipelines.batch import Batch
from pipelines.parse import Parser
from pipelines.rollup import Rollup

ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}


def pushwake(path: Path, encoding: str) -> int:
    """Raw bytes to closed rollups; ``encoding`` is found out, not told."""
    del encoding
    values = path.read_bytes().splitlines()
    parser, rollup, total = Parser(), Rollup(), 0
    for start in range(0, len(values), BATCH):
        batch = Batch("lines", 0, start, start + BATCH, values[start : start + BATCH])
        rollup.add(parser.parse(batch).access)
        if rollup.watermark is not None:
            total += int(rollup.close(rollup.watermark).rollup["count"].sum())
    return total + int(rollup.close(datetime(2100, 1, 1, tzinfo=UTC)).rollup["count"].sum())


RUNNERS: dict[str, Callable[[Path, str], int]] = {"pushwake": pushwake, **RIVALS}


def _cpu_seconds() -> float:
    own, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return sum(u.ru_utime + u.ru_stime for u in (own, children))


def _peak_mib() -> float:
    """The peak of the program that counted: the child's where there is one."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (child or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


def measure(runner: str, path: Path, encoding: str) -> dict[str, float | str]:
    """Run one runner in this process: once on a little to warm up, then in earnest."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    count = RUNNERS[runner]
    try:
        count(path.with_suffix(".warm"), encoding)
        before, wall = _cpu_seconds(), time.perf_counter()
        counted = count(path, encoding)
    except MissingRivalError as missing:
        return {"skipped": str(missing)}
    return {
        "counted": counted,
        "cpu_s": _cpu_seconds() - before,
        "wall_s": time.perf_counter() - wall,
        "peak_mib": _peak_mib(),
    }


def _spawn(runner: str, path: Path, encoding: str) -> dict[str, float | str]:
    command = [sys.executable, "-m", "benchmarks.parse", "--measure", runner, str(path), encoding]
    environment = os.environ | ALLOCATOR | {"POLARS_MAX_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, env=environment, check=False)
    if run.returncode:
        return {"skipped": run.stderr.decode().strip().splitlines()[-1][:120]}
    result: dict[str, float | str] = json.loads(run.stdout)
    return result


def compare(encoding: str, lines: int, runs: int, directory: Path) -> None:
    """Measure all runners on one encoding and print a table."""
    path = directory / encoding
    encode = ENCODINGS[encoding]
    encoded = [encode(entry) for entry in entries(lines)]
    path.write_bytes(b"\n".join(encoded) + b"\n")
    path.with_suffix(".warm").write_bytes(b"\n".join(encoded[:2_000]) + b"\n")
    size = sum(map(len, encoded)) / lines
    results: dict[str, list[dict[str, float | str]]] = {name: [] for name in RUNNERS}
    for _ in range(runs):
        for name, found in results.items():
            if not found or "skipped" not in found[0]:
                found.append(_spawn(name, path, encoding))
    loop, columns = (
        statistics.median(float(r["cpu_s"]) for r in results[name])
        for name in ("python loop", "polars, unchecked")
    )
    print(f"\n{encoding}: {lines:,} lines of {size:.0f} bytes, median of {runs} runs, one core")
    ratios = f"{'x loop':>8}{'x polars':>10}"
    print(f"{'':20}{'lines/CPU-s':>13}{'MB/s':>7}{ratios}{'counted':>10}{'MiB':>7}")
    for name, found in results.items():
        if "skipped" in found[0]:
            print(f"{name:20}skipped: {found[0]['skipped']}")
            continue
        cpu = statistics.median(float(r["cpu_s"]) for r in found)
        peak = statistics.median(float(r["peak_mib"]) for r in found)
        print(
            f"{name:20}{lines / cpu:13,.0f}{size * lines / cpu / 1e6:7.0f}"
            f"{loop / cpu:8.1f}{columns / cpu:10.2f}"
            f"{int(found[0]['counted']):10,}{peak:7.0f}"
        )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--encoding", choices=ENCODINGS, action="append")
    parser.add_argument("--measure", nargs=3, metavar=("RUNNER", "PATH", "ENCODING"))
    options = parser.parse_args()
    if options.measure:
        runner, path, encoding = options.measure
        print(json.dumps(measure(runner, Path(path), encoding)))
        return
    with tempfile.TemporaryDirectory() as directory:
        for encoding in options.encoding or ENCODINGS:
            compare(encoding, options.lines, options.runs, Path(directory))


if __name__ == "__main__":
    main()
