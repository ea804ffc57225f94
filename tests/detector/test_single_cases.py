"""Cases that an operator would test a detector with, from counts and events to incidents."""

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
STEP = timedelta(seconds=10)
HOUR = 360  # buckets
CART = ("source", "web-v1.shop", "cart.shop.svc.cluster.local")
Row = tuple[int, tuple[str, str, str], str | None, int, str, int]


def frame(rows: list[Row]) -> pl.DataFrame:
    """ROLLUP rows of bucket, edge, pod, code, flags, count."""
    return pl.DataFrame(
        [
            (START + n * STEP, reporter, source, pod, destination, code, flags, count)
            for n, (reporter, source, destination), pod, code, flags, count in rows
            if count > 0
        ],
        schema=schema.ROLLUP,
        orient="row",
    )


def events(rows: list[dict[str, object]]) -> pl.DataFrame:
    return (
        pl.DataFrame(rows, schema=schema.CONTROL)
        .with_columns(source=pl.lit("event"))
        .sort("time", maintain_order=True)
    )


def incidents(rows: list[Row], said: list[dict[str, object]] | None = None) -> list[Incident]:
    worker = Worker(Settings())
    worker.add_events(events(said or []))
    worker.add_rollup(frame(rows))
    worker.finish()
    return worker.incidents


def traffic(edge: tuple[str, str, str], buckets: range, rate: float, seed: int = 1) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [(n, edge, None, 200, "-", int(rng.poisson(rate * 10))) for n in buckets]


def test_two_seconds_of_total_failure_at_500_requests_a_second_are_found_within_20_seconds() -> (
    None
):
    rows = [*traffic(CART, range(HOUR), 500), (200, CART, None, 503, "UC", 1000)]
    (incident,) = incidents(rows)
    assert incident.detected_at - (START + 200 * STEP) <= timedelta(seconds=20)


def test_60_percent_failing_at_a_request_in_two_seconds_are_found_within_10_minutes() -> None:
    rng = np.random.default_rng(2)
    rows: list[Row] = traffic(CART, range(3 * HOUR), 0.5)
    fault = range(2 * HOUR, 2 * HOUR + 90)
    rows = [row for row in rows if row[0] not in fault]
    for n in fault:
        requests = int(rng.poisson(5))
        failed = int(rng.binomial(requests, 0.6))
        rows += [(n, CART, None, 503, "UF", failed), (n, CART, None, 200, "-", requests - failed)]
    (incident,) = incidents(rows)
    assert incident.detected_at - (START + fault[0] * STEP) <= timedelta(minutes=10)


def test_a_service_that_always_fails_80_percent_stays_silent() -> None:
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    for n in range(12 * HOUR):
        requests = int(rng.poisson(20))
        failed = int(rng.binomial(requests, 0.8))
        rows += [(n, CART, None, 500, "-", failed), (n, CART, None, 200, "-", requests - failed)]
    assert not incidents(rows)


def proxy(service: int, pod: int) -> str:
    return f"app-{service}-v1-6c9f7d8b5-abcd{pod}"


def connections(
    services: int, at: datetime, every_s: float, version: str
) -> list[dict[str, object]]:
    """istiod starts, and all proxies, two of each service, connect to it one after the other."""
    rng = np.random.default_rng(4)
    names = [f"{proxy(service, pod)}.shop" for service in range(services) for pod in range(2)]
    turns = rng.permutation(len(names))
    start: dict[str, object] = {"time": at, "kind": "control-plane-start", "version": version}
    return [start] + [
        {
            "time": at + timedelta(seconds=5 + every_s * int(turn)),
            "kind": "connect",
            "proxy": name,
            "version": version,
        }
        for name, turn in zip(names, turns, strict=True)
    ]


def edge(service: int) -> tuple[str, str, str]:
    return ("source", f"app-{service}-v1.shop", f"svc-{service}.shop.svc.cluster.local")


def test_300_services_that_fail_from_one_restart_of_istiod_are_one_incident() -> None:
    restart = 180
    said = connections(300, START, 0.5, "1.27.0")
    said += connections(300, START + restart * STEP, 0.01, "1.27.0")
    rows: list[Row] = []
    for service in range(300):
        rows += [(n, edge(service), None, 200, "-", 40) for n in range(restart + 60)]
        failing = range(restart, restart + 4)
        rows += [(n, edge(service), proxy(service, n % 2), 503, "UH", 20) for n in failing]
    (incident,) = incidents(rows, said)
    assert len({series.destination for series in incident.series}) == 300
    assert incident.attribution.cause == "control-plane"


def test_a_crash_in_the_middle_of_a_harmless_upgrade_is_called_workload() -> None:
    for flags in ("UF,URX", "UH", "UC"):
        said = connections(60, START, 0.5, "1.26.0")
        said += connections(60, START + 180 * STEP, 4.0, "1.27.0")
        rows: list[Row] = []
        for service in range(60):
            target = ("source", f"app-{service}-v1.shop", edge(service % 10)[2])
            rows += [(n, target, None, 200, "-", 40) for n in range(300)]
            if service % 10 == 3:  # those who call it fail alike, changed or not
                failing = range(197, 205)
                rows += [
                    (n, target, proxy(service, p), 503, flags, 15) for n in failing for p in (0, 1)
                ]
        (incident,) = incidents(rows, said)
        assert incident.attribution.cause == "workload", (flags, incident.attribution)


def test_one_error_among_five_requests_never_opens() -> None:
    for code, flags in ((503, "UF"), (503, "NC"), (503, "UH"), (500, "-"), (504, "UT")):
        for first in (0, 2 * HOUR):  # of its life, or after two quiet hours of five requests each
            rows: list[Row] = [(n, CART, None, 200, "-", 5) for n in range(0, first, HOUR)]
            rows += [(first, CART, None, 200, "-", 4), (first, CART, None, code, flags, 1)]
            rows += traffic(edge(1), range(first + 30), 50)
            assert not incidents(rows), (code, flags, first)


def test_the_first_errors_of_a_quiet_service_are_judged_at_once() -> None:
    rows = [*traffic(CART, range(2 * HOUR), 0.5), *traffic(edge(1), range(2 * HOUR), 50)]
    assert not incidents([*rows, (600, CART, None, 503, "UF", 1)])
    (incident,) = incidents([*rows, (600, CART, None, 503, "UF", 25)])
    assert incident.detected_at == START + 601 * STEP
