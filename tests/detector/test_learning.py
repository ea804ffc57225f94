"""Baselines from stored rollups and from a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from detector import clock
from detector.cli import main
from detector.learning.counters import NotCountsError, rollup
from pipelines.schema import ROLLUP
from tests.detector.test_polling import Answer, istiod, say
from tests.parts.prometheus import prometheus

STEP = timedelta(seconds=10)
SCRAPE_S = 15
CALLERS = ("web", "app")
CART = "cart.shop.svc.cluster.local"
RATES = {("200", "-"): 20.0, ("500", "-"): 0.2, ("503", "UF,URX"): 0.005}
NOW = clock.now().replace(second=0, microsecond=0)


def past(hours: float) -> Iterator[str]:
    """What two pods of each caller count, scraped every 15 s; one pod is started anew midway."""
    rng = np.random.default_rng(1)
    yield "# TYPE istio_requests counter"
    scrapes = int(hours * 3600 / SCRAPE_S)
    first = NOW.timestamp() - scrapes * SCRAPE_S
    for caller in CALLERS:
        for pod in range(2):
            for (code, flags), rate in RATES.items():
                labels = (
                    f'reporter="source",source_workload="{caller}-v1",pod="{caller}-{pod}",'
                    f'source_workload_namespace="shop",destination_service="{CART}",'
                    f'response_code="{code}",response_flags="{flags}"'
                )
                gained = rng.poisson(rate / 2 * SCRAPE_S, scrapes)
                if pod == 1:
                    gained[scrapes // 2] = -gained[: scrapes // 2].sum()
                for n, total in enumerate(gained.cumsum().tolist()):
                    if total > 0 or code == "200":
                        at = first + n * SCRAPE_S
                        yield f"istio_requests_total{{{labels}}} {total} {at:.3f}"


def rollups(path: Path, start: datetime, buckets: int, fault: int | None = None) -> Path:
    rng = np.random.default_rng(2)
    rows = []
    for n in range(buckets):
        for caller in CALLERS:
            name = (start + n * STEP, "source", f"{caller}-v1.shop", None, CART)
            rows.append((*name, 200, "-", int(rng.poisson(200))))
            rows.append((*name, 500, "-", int(rng.poisson(2))))
            rows.append((*name, 503, "UF,URX", 30 if n == fault else 0))
    counted = [row for row in rows if row[-1]]
    pl.DataFrame(counted, schema=ROLLUP, orient="row").write_parquet(path)
    return path


def known(
    store: str, capsys: pytest.CaptureFixture[str]
) -> dict[tuple[str, str], dict[str, object]]:
    capsys.readouterr()
    assert main(["series", "--store", store, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {(line["series"][1], line["series"][3]): line for line in lines}


def found(rollup: Path, store: str | None, out: Path) -> list[dict[str, object]]:
    kept = ["--store", store] if store else []
    arguments = ["replay", "--quiet", "--rollups", str(rollup), "--out", str(out), *kept]
    assert main(arguments) == 0
    return [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/pushwake.db"


def test_what_a_prometheus_knows_is_learnt(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with prometheus(tmp_path, past(5)) as url:
        assert main(["learn", "--prometheus", url, "--since", "4h", "--store", store]) == 0
    assert "Learnt" in capsys.readouterr().out
    series = known(store, capsys)
    assert set(series) >= {(f"{caller}-v1.shop", s) for caller in CALLERS for s in ("500", "UF")}
    for caller in CALLERS:
        rate = series[f"{caller}-v1.shop", "500"]["rate"]
        assert isinstance(rate, float)
        assert abs(rate - 0.01) < 0.003
    fault = rollups(tmp_path / "fault.parquet", NOW + timedelta(minutes=5), 12, fault=1)
    (incident,) = found(fault, store, tmp_path / "found.ndjson")
    assert incident["signals"] == ["UF"]
    assert not found(fault, None, tmp_path / "unlearnt.ndjson")


def test_what_rollups_hold_is_learnt_and_leaves_no_incident(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    before = rollups(tmp_path / "before.parquet", start, 1500, fault=900)
    assert main(["learn", "--rollups", str(before), "--store", store]) == 0
    series = known(store, capsys)
    assert series["web-v1.shop", "500"]["known_s"] == 15_000
    assert series["web-v1.shop", "500"]["left_s"] == 8 * 3600 - 14_990
    after = rollups(tmp_path / "after.parquet", start + 1500 * STEP, 12, fault=1)
    (incident,) = found(after, store, tmp_path / "found.ndjson")
    assert incident["services"] == [CART]
    assert main(["series", "--store", store, "--learning"]) == 0
    assert "4 h" in capsys.readouterr().out


def test_a_store_that_knows_something_is_not_overwritten_unless_told(
    tmp_path: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rollups(tmp_path / "before.parquet", datetime(2026, 3, 2, tzinfo=UTC), 30)
    command = ["learn", "--rollups", str(before), "--store", store]
    assert main(command) == 0
    assert main(command) == 3
    assert "--replace" in capsys.readouterr().err
    assert main([*command, "--replace"]) == 0


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (say(b"not found", 404), "answers 404"),
        (say(b"<html>"), "not as Prometheus does"),
        (say(b'{"status":"error","error":"too many samples"}'), "too many samples"),
        (say(b'{"status":"success","data":{"result":[]}}'), "no requests"),
    ],
)
def test_a_prometheus_that_has_no_answer_is_told(
    answer: Answer, told: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with istiod({"/api/v1/query_range": answer}) as url:
        code = main(["learn", "--prometheus", url, "--since", "1h", "--store", store])
    assert code == 3
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "7", "0d", "soon", "-1d"])
def test_a_length_of_time_that_is_none_is_told(
    text: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["learn", "--rollups", "x", f"--since={text}", "--store", store]) == 2
    assert "7d" in capsys.readouterr().err


def test_minutes_are_spread_over_buckets_and_lose_nothing() -> None:
    labels = {"reporter": "source", "source_workload": "a", "source_workload_namespace": "b"}
    good = {"metric": {**labels, "response_code": "200"}, "values": [[120, "601"], [180, "NaN"]]}
    bad = {
        "metric": {**labels, "response_code": "503", "response_flags": "URX,UF"},
        "values": [[120, "7"]],
    }
    body = json.dumps({"status": "success", "data": {"result": [good, bad]}}).encode()
    frame = rollup(body, 10)
    assert frame.schema == ROLLUP
    assert frame["time"].min() == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert frame["time"].max() == datetime(1970, 1, 1, 0, 1, 50, tzinfo=UTC)
    failed = frame.filter(pl.col("response_code") == 503)
    assert failed["response_flags"].unique().to_list() == ["UF,URX"]
    assert sorted(failed["count"]) == [2, 2, 3]
    assert frame["count"].sum() == 608


def test_a_long_bucket_holds_several_minutes() -> None:
    metric = {"reporter": "destination", "source_workload": "a", "response_code": "200"}
    values = [[at, "5"] for at in range(360, 661, 60)]
    body = json.dumps(
        {"status": "success", "data": {"result": [{"metric": metric, "values": values}]}}
    )
    frame = rollup(body.encode(), 300)
    assert frame["time"].unique().to_list() == [
        datetime(1970, 1, 1, 0, 5, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 10, tzinfo=UTC),
    ]
    assert set(frame["source"]) == {"unknown"}


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(NotCountsError, match="not as Prometheus"):
        rollup(b"[" * 100_000, 10)
