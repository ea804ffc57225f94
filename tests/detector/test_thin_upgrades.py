"""Upgrades that cost every proxy a little: from counts and events to a named cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from detector.settings import Settings
from detector.types import Incident
from detector.worker import Worker
from pipelines import schema

pytestmark = pytest.mark.no_cover

START = datetime(2026, 11, 23, tzinfo=UTC)
UPGRADE = START + timedelta(minutes=30)
END = UPGRADE + timedelta(minutes=20)
SERVICES = 40
REPLICAS = 10
TURN = timedelta(minutes=10) / (SERVICES * REPLICAS)
PROXIES = [
    f"app-{service}-v1-6c9f7d8b5-abcd{replica}"
    for service in range(SERVICES)
    for replica in range(REPLICAS)
]
TURNS = {
    PROXIES[i]: UPGRADE + rank * TURN
    for rank, i in enumerate(np.random.default_rng(8).permutation(len(PROXIES)).tolist())
}


def counts(failing: dict[str, tuple[datetime, int]]) -> pl.DataFrame:
    """Steady calls of every service, and the errors of some proxies."""
    buckets = pl.datetime_range(START, END, "10s", closed="left", time_zone="UTC", eager=True)
    sources = pl.DataFrame({"service": [str(n) for n in range(SERVICES)]})
    steady = pl.DataFrame({"time": buckets}).join(sources, how="cross")
    failed = pl.DataFrame(
        {
            "time": [time for time, _ in failing.values()],
            "service": [pod.split("-")[1] for pod in failing],
            "source_pod": list(failing),
            "count": [count for _, count in failing.values()],
        }
    ).with_columns(pl.col("time").dt.truncate("10s"))
    parts = [
        steady.with_columns(response_code=200, response_flags=pl.lit("-"), count=400),
        failed.with_columns(response_code=503, response_flags=pl.lit("NR")),
    ]
    return (
        pl.concat(parts, how="diagonal_relaxed")
        .with_columns(
            reporter=pl.lit("source"),
            source="app-" + pl.col("service") + "-v1.shop",
            destination="svc-" + pl.col("service") + ".shop.svc.cluster.local",
        )
        .select(pl.col(name).cast(dtype) for name, dtype in schema.ROLLUP.items())
        .sort("time")
    )


def events() -> pl.DataFrame:
    """All proxies of istiod 1.26.0 move to 1.27.0, each in its turn."""
    rows = [{"time": START, "kind": "control-plane-start", "version": "1.26.0"}]
    rows += [
        {"time": START + n * timedelta(seconds=0.5), "kind": "connect", "proxy": f"{pod}.shop"}
        | {"version": "1.26.0"}
        for n, pod in enumerate(PROXIES, start=1)
    ]
    before = UPGRADE - timedelta(seconds=15)
    rows += [{"time": before, "kind": "control-plane-start", "version": "1.27.0"}]
    rows += [
        {"time": at, "kind": "connect", "proxy": f"{pod}.shop", "version": "1.27.0"}
        for pod, at in sorted(TURNS.items(), key=lambda turn: turn[1])
    ]
    return pl.DataFrame(rows, schema=schema.CONTROL).with_columns(source=pl.lit("event"))


def incidents(failing: dict[str, tuple[datetime, int]]) -> list[Incident]:
    worker = Worker(Settings())
    worker.add_events(events())
    worker.add_rollup(counts(failing))
    worker.finish()
    return worker.incidents


def burns(frame: pl.DataFrame) -> bool:
    """Whether a multi-window burn-rate rule pages: SRE Workbook, chapter 5, objective 99.9 %."""
    failed = pl.col("response_code") >= 500
    counts = (
        frame.group_by("time", "destination")
        .agg(pl.sum("count").alias("all"), pl.col("count").filter(failed).sum().alias("bad"))
        .sort("time")
    )

    def burning(times: float, long: str, short: str) -> pl.Expr:
        rates = [
            pl.sum("bad").rolling("time", period=span) / pl.sum("all").rolling("time", period=span)
            for span in (long, short)
        ]
        return pl.all_horizontal(rate.over("destination") > times * 0.001 for rate in rates)

    pages = burning(14.4, "1h", "5m") | burning(6.0, "6h", "30m")
    return bool(counts.select(pages.any()).item())


def test_the_burn_rate_rule_pages_for_a_failing_service_and_not_for_a_thin_upgrade() -> None:
    late = timedelta(seconds=1)
    assert not burns(counts({pod: (at + late, 4) for pod, at in TURNS.items()}))
    assert burns(counts({pod: (UPGRADE + n * 2 * late, 300) for n, pod in enumerate(PROXIES)}))


@pytest.mark.parametrize(("every", "errors"), [(1, 4), (8, 1)])
def test_proxies_that_fail_for_a_moment_each_make_one_incident_of_the_upgrade(
    every: int, errors: int
) -> None:
    late = timedelta(seconds=1)
    chosen = list(TURNS.items())[::every]
    (incident,) = incidents({pod: (at + late, errors) for pod, at in chosen})
    assert incident.attribution.cause == "control-plane"
    assert incident.attribution.confidence > 0.8
    assert incident.attribution.window is not None
    assert incident.attribution.window.kind == "upgrade"
    assert {one.signal for one in incident.series} == {"NR"}
    assert incident.excess >= 0.8 * errors * len(chosen)


def test_an_upgrade_that_costs_a_few_proxies_one_error_each_is_no_incident() -> None:
    late = timedelta(seconds=1)
    assert not incidents({pod: (at + late, 1) for pod, at in list(TURNS.items())[::100]})
