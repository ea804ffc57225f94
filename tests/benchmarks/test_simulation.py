from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from benchmarks.detection.evaluate import hold_against
from benchmarks.detection.simulate import START, simulate
from detector.truth import read_truth
from detector.types import Attribution, Incident, Series
from pipelines.events import read_events
from pipelines.schema import ROLLUP


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    simulate(folder, 7, services=10, days=0.6)
    return folder


def incident(name: str, minute: int, destination: str) -> Incident:
    at = START + timedelta(minutes=minute)
    series = [Series("source", "a.x", destination, "UF")]
    cause = Attribution("unknown", None, 0.0, [], [])
    return Incident(name, "resolved", at, at, at, series, 50.0, 100.0, 0.0, 1.0, cause)


def test_the_same_seed_gives_the_same_files(run: Path, tmp_path: Path) -> None:
    simulate(tmp_path, 7, services=10, days=0.6)
    names = sorted(path.name for path in run.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (run / name).read_bytes() == (tmp_path / name).read_bytes()


def test_rollups_events_and_labels_are_what_a_replay_reads(run: Path) -> None:
    rollup = pl.concat(pl.read_parquet(path) for path in sorted(run.glob("rollup-*.parquet")))
    assert rollup.schema == ROLLUP
    assert rollup["time"].is_sorted()
    assert rollup["count"].min() == 1
    with (run / "events.ndjson").open(encoding="utf-8") as file:
        events, errors = read_events(file)
    assert errors == []
    assert set(events["kind"]) >= {"control-plane-start", "connect", "push"}
    labels = read_truth(run / "truth.ndjson")
    assert {label.cause for label in labels} <= {"control-plane", "workload", "client", "none"}
    assert any(label.should_alarm for label in labels)


def test_a_label_tells_where_its_errors_are(run: Path) -> None:
    rollup = pl.scan_parquet(run / "rollup-*.parquet").filter(pl.col("reporter") == "source")
    for label in (one for one in read_truth(run / "truth.ndjson") if one.should_alarm):
        inside = rollup.filter(
            pl.col("time").is_between(label.start - timedelta(seconds=10), label.end),
            pl.col("destination").is_in(label.services),
            (pl.col("response_code") >= 400) | (pl.col("response_flags") != "-"),
        )
        assert inside.select(pl.len()).collect().item() > 0


def test_incidents_are_held_against_labels_by_time_and_service(tmp_path: Path) -> None:
    times = [START, START + timedelta(days=1)]
    pl.DataFrame({"time": times}).write_parquet(tmp_path / "rollup-0.parquet")
    end = (START + timedelta(minutes=5)).isoformat()
    (tmp_path / "truth.ndjson").write_text(
        f'{{"id": "1", "kind": "crash", "start": "{START.isoformat()}", "end": "{end}",'
        ' "services": ["b"], "excess": 40, "should_alarm": true}\n'
    )
    found = [incident("hit", 1, "b"), incident("again", 9, "b")]
    false = [incident("late", 60, "b"), incident("elsewhere", 1, "c")]
    outcome = hold_against([*found, *false], tmp_path)
    assert [one.id for one in outcome.found[0][1]] == ["hit", "again"]
    assert [one.id for one in outcome.false] == ["late", "elsewhere"]
