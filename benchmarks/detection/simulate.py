"""One simulated run as the files that `pushwake replay` reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.detection.faults import Faults
from benchmarks.detection.mesh import BUCKET_S, DAY, GATEWAY, REGIMES, Happening, Mesh
from benchmarks.detection.story import Label, Story
from pipelines.schema import ROLLUP

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
RECONNECT_S = 1800  # istiod closes connections after half an hour
CHUNK = DAY // 4
Loss = tuple[int, int, set[int]]  # first bucket, last bucket, edges


def simulate(
    folder: Path,
    seed: int,
    *,
    services: int = 80,
    days: float = 3.0,
    faults: bool = True,
    regime: str = "ordinary",
) -> None:
    """Write ``rollup-*.parquet``, ``events.ndjson`` and ``truth.ndjson`` into ``folder``.

    ``ordinary.ndjson`` tells what happened that is no fault: deploys, lost logs, shifts of level.

    Args:
        folder: Created if missing.
        seed: Same seed, same files.
        services: Size of the mesh; it has about three edges for each.
        days: Length of the run.
        faults: Without them everything that happens is ordinary.
        regime: One of `benchmarks.detection.mesh.REGIMES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mesh, story = Mesh(np.random.default_rng(seed), services, days, REGIMES[regime]), Story()
    mesh.fail_as_usual()
    _steady_state(mesh, story)
    if faults:
        Faults(mesh, story).tell()
    _ordinary_pushes(mesh, story)
    lost = _lost_logs(mesh)
    for number, first in enumerate(range(0, mesh.length, CHUNK)):
        frame = _rollup(mesh, lost, first, min(first + CHUNK, mesh.length))
        frame.write_parquet(folder / f"rollup-{number:03d}.parquet")
    _write_events(folder / "events.ndjson", story)
    _write_truth(folder / "truth.ndjson", story.labels)
    _write_happenings(folder / "ordinary.ndjson", mesh.happenings)


def _steady_state(mesh: Mesh, story: Story) -> None:
    """Everyone connects, and again every half hour."""
    end = mesh.length * BUCKET_S
    story.say(-3600.0, "control-plane-start", version="1.26.0")
    for service, replicas in enumerate(mesh.replicas.tolist()):
        for pod in range(replicas):
            at = -mesh.rng.uniform(0, RECONNECT_S)
            while at < end:
                story.say(at, "connect", proxy=mesh.pod_name(service, pod))
                at += RECONNECT_S * mesh.rng.uniform(0.9, 1.1)


def _ordinary_pushes(mesh: Mesh, story: Story) -> None:
    """Endpoints change every few seconds, configuration every twenty minutes."""
    end, at = mesh.length * BUCKET_S, 0.0
    while at < end:
        at += mesh.rng.exponential(20)
        story.say(at, "push", full=False, type="EDS")
    at = 0.0
    while at < end:
        at += mesh.rng.exponential(1200)
        story.say(at, "push", full=True)


def _lost_logs(mesh: Mesh) -> list[Loss]:
    """Stretches of buckets in which the entries of some edges never arrive."""
    some = set(mesh.rng.choice(len(mesh.edges), len(mesh.edges) // 5, replace=False).tolist())
    first, second = (mesh.rng.uniform(0.2, 0.9, 2) * mesh.length).astype(int).tolist()
    lost = [(first, first + 90, some), (second, second + 30, set(range(len(mesh.edges))))]
    for begin, end, edges in lost:
        names = sorted({mesh.edges[i].destination for i in edges})
        mesh.happenings.append(Happening("lost-logs", begin, end + 30, names))
    return lost


def _rollup(mesh: Mesh, lost: list[Loss], first: int, last: int) -> pl.DataFrame:
    """The ROLLUP rows of some buckets."""
    kept = mesh.requests[:, first:last].copy()
    for begin, end, edges in lost:
        kept[sorted(edges), max(begin - first, 0) : max(end - first, 0)] = 0
    failed = _failed(mesh, kept, first, last)
    bad = np.zeros(kept.shape, dtype=np.int64)
    cells = failed["edge"].to_numpy(), failed["bucket"].to_numpy()
    np.add.at(bad, cells, failed["count"].to_numpy())
    edge, bucket = np.nonzero(kept)
    good = pl.DataFrame(
        {"bucket": bucket, "edge": edge, "count": np.maximum(kept - bad, 0)[edge, bucket]}
    ).with_columns(source_pod=None, response_code=200, response_flags=pl.lit("-"))
    names = pl.DataFrame(
        {
            "edge": range(len(mesh.edges)),
            "source": [one.source for one in mesh.edges],
            "destination": [one.destination for one in mesh.edges],
        }
    )
    columns = ["bucket", "edge", "source_pod", "response_code", "response_flags", "count"]
    told = pl.concat([good.select(columns), failed.select(columns)], how="vertical_relaxed")
    told = told.filter(pl.col("count") > 0).join(names, on="edge").drop("edge")
    callee = _callee_side(told)
    told = told.with_columns(
        reporter=pl.lit("source"),
        response_flags=pl.col("response_flags").replace({"UPE": "-"}),
    )
    rows = pl.concat(
        [told, callee.select(told.columns), _scanners(mesh, first, last, told.columns)]
    )
    start = START + timedelta(seconds=first * BUCKET_S)
    times = pl.lit(start) + pl.duration(seconds=pl.col("bucket") * BUCKET_S)
    rows = rows.with_columns(time=times.cast(ROLLUP["time"]))
    rows = rows.select(pl.col(name).cast(kind) for name, kind in ROLLUP.items())
    return rows.sort(list(ROLLUP))  # grouping leaves no order of its own


def _failed(mesh: Mesh, kept: NDArray[np.int64], first: int, last: int) -> pl.DataFrame:
    """Errors of some buckets whose logs arrived, with pod names."""
    errors = mesh.errors
    frame = pl.DataFrame(
        {
            "bucket": errors.bucket,
            "edge": errors.edge,
            "pod": errors.pod,
            "response_code": errors.code,
            "response_flags": errors.flags,
            "count": errors.count,
        }
    ).filter(pl.col("bucket").is_between(first, last, closed="left"))
    frame = frame.with_columns(pl.col("bucket") - first)
    arrived = kept[frame["edge"].to_numpy(), frame["bucket"].to_numpy()] > 0
    owners = [mesh.owner(i) for i in range(len(mesh.edges))]
    pods = [
        mesh.pod_name(owners[edge], pod % int(mesh.replicas[owners[edge]])).rpartition(".")[0]
        for edge, pod in zip(frame["edge"].to_list(), frame["pod"].to_list(), strict=True)
    ]
    return frame.with_columns(source_pod=pl.Series(pods, dtype=pl.String)).filter(arrived)


def _callee_side(told: pl.DataFrame) -> pl.DataFrame:
    """What the services' own proxies say: those requests that reached them."""
    reached = told.filter(~pl.col("response_flags").is_in(["NR", "NC", "UH", "UF,URX"]))
    return (
        reached.with_columns(
            pl.when(pl.col("response_flags") == "UPE")
            .then(pl.col("response_flags"))
            .otherwise(pl.lit("-"))
        )
        .group_by("bucket", "destination", "response_code", "response_flags")
        .agg(pl.col("count").sum())
        .with_columns(
            reporter=pl.lit("destination"),
            source=pl.lit("unknown"),
            source_pod=pl.lit(None, pl.String),
        )
    )


def _scanners(mesh: Mesh, first: int, last: int, columns: list[str]) -> pl.DataFrame:
    """Strangers who try names that nobody serves."""
    rate = np.full(last - first, 0.3)
    for _ in range(mesh.rng.poisson(3 * (last - first) / DAY)):
        begin = int(mesh.rng.integers(last - first))
        rate[begin : begin + int(mesh.rng.integers(3, 60))] += mesh.rng.uniform(10, 300)
    count = mesh.rng.poisson(rate)
    bucket = np.flatnonzero(count)
    return pl.DataFrame({"bucket": bucket, "count": count[bucket]}).select(
        "bucket",
        source_pod=pl.lit(None, pl.String),
        response_code=pl.lit(404, pl.Int64),
        response_flags=pl.lit("NR"),
        count="count",
        source=pl.lit(GATEWAY),
        destination=pl.lit("unknown"),
        reporter=pl.lit("source"),
    )[columns]


def _write_events(path: Path, story: Story) -> None:
    version = "1.26.0"
    with path.open("w", encoding="utf-8") as file:
        for event in sorted(story.events, key=lambda one: float(str(one["at"]))):
            said = {key: value for key, value in event.items() if key != "at"}
            at = START + timedelta(seconds=float(str(event["at"])))
            if event["kind"] == "control-plane-start":
                version = str(event["version"])
            said.setdefault("version", version)
            file.write(json.dumps({"time": at.isoformat().replace("+00:00", "Z"), **said}) + "\n")


def _write_truth(path: Path, labels: list[Label]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, label in enumerate(labels):
            line = {
                "id": f"{number:03d}-{label.kind}",
                "kind": label.kind,
                "start": (START + timedelta(seconds=label.start_s)).isoformat(),
                "end": (START + timedelta(seconds=label.end_s)).isoformat(),
                "services": sorted(label.services),
                "signals": sorted(label.signals | ({"502"} if "UPE" in label.signals else set())),
                "cause": label.cause,
                "excess": label.excess,
                "should_alarm": label.should_alarm,
            }
            file.write(json.dumps(line) + "\n")


def _write_happenings(path: Path, happenings: list[Happening]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for one in sorted(happenings, key=lambda one: one.first):
            line = {
                "kind": one.kind,
                "start": (START + timedelta(seconds=one.first * BUCKET_S)).isoformat(),
                "end": (START + timedelta(seconds=one.last * BUCKET_S)).isoformat(),
                "services": one.services,
            }
            file.write(json.dumps(line) + "\n")
