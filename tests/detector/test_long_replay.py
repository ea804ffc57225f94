"""Hours of counts: what was found early is still told right at the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from detector.settings import Settings
from detector.worker import Worker
from pipelines import schema

START = datetime(2026, 11, 23, tzinfo=UTC)
HOURS = 5
PODS = [f"web-v1-5d89f7c8b4-{name}" for name in ("abcde", "bcdef", "cdefg", "defgh", "efghj")]
UPGRADE = START + timedelta(minutes=40)
TURN = timedelta(seconds=20)


def counts() -> pl.DataFrame:
    """Steady calls of five pods; each fails for one bucket after its own reconnect."""
    buckets = pl.datetime_range(
        START, START + timedelta(hours=HOURS), "10s", closed="left", time_zone="UTC", eager=True
    )
    steady = pl.DataFrame({"time": buckets}).join(pl.DataFrame({"source_pod": PODS}), how="cross")
    failed = pl.DataFrame(
        {"time": [UPGRADE + n * TURN for n in range(len(PODS))], "source_pod": PODS}
    )
    parts = [
        steady.with_columns(response_code=200, response_flags=pl.lit("-"), count=200),
        failed.with_columns(response_code=503, response_flags=pl.lit("NC"), count=60),
    ]
    return (
        pl.concat(parts, how="diagonal_relaxed")
        .with_columns(
            reporter=pl.lit("source"),
            source=pl.lit("web-v1.shop"),
            destination=pl.lit("cart.shop.svc.cluster.local"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in schema.ROLLUP.items())
        .sort("time")
    )


def events() -> pl.DataFrame:
    """Proxies of istiod 1.26.0 that move to 1.27.0 one by one."""
    rows = [{"time": START, "kind": "control-plane-start", "version": "1.26.0"}]
    rows += [
        {"time": START + timedelta(seconds=n), "kind": "connect", "proxy": f"{pod}.shop"}
        | {"version": "1.26.0"}
        for n, pod in enumerate(PODS, start=1)
    ]
    rows += [{"time": UPGRADE - TURN, "kind": "control-plane-start", "version": "1.27.0"}]
    rows += [
        {"time": UPGRADE + n * TURN, "kind": "connect", "proxy": f"{pod}.shop", "version": "1.27.0"}
        for n, pod in enumerate(PODS)
    ]
    return pl.DataFrame(rows, schema=schema.CONTROL).with_columns(source=pl.lit("event"))


def test_an_early_incident_keeps_its_cause_for_hours() -> None:
    worker = Worker(Settings())
    worker.add_events(events())
    for hour in range(HOURS):
        begin = START + timedelta(hours=hour)
        time = pl.col("time")
        worker.add_rollup(
            counts().filter(time >= begin, time < begin + timedelta(hours=1)),
        )
    worker.finish()

    (incident,) = worker.incidents
    assert incident.status == "resolved"
    assert incident.errors == 60 * len(PODS)
    assert incident.attribution.cause == "control-plane"
    assert incident.attribution.window is not None
    assert incident.attribution.window.from_version == "1.26.0"
    assert incident.attribution.window.to_version == "1.27.0"
    assert incident.attribution.window.reconciled.keys() == {f"{pod}.shop" for pod in PODS}
