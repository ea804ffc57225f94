"""Errors at each proxy's own reconcile, too few anywhere for a count to be surprising."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.engine import Engine
from detector.settings import DetectionSettings
from detector.types import Verdict, Window, WindowKind
from pipelines.schema import ROLLUP

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(seconds=10)
UPGRADE = START + 120 * STEP
MINUTES = 10
WORKLOADS = 40
Fault = tuple[datetime, int, int, int]  # time, workload, pod, errors


def pod(workload: int, number: int) -> str:
    return f"app-{workload}-v1-6c9f7d8b5-abcd{number}"


def reconciles(per_workload: int, minutes: float = MINUTES) -> dict[tuple[int, int], datetime]:
    """When each proxy connected anew: in an order that has nothing to do with its workload."""
    proxies = [(w, n) for w in range(WORKLOADS) for n in range(per_workload)]
    order = np.random.default_rng(5).permutation(len(proxies))
    gap = timedelta(minutes=minutes) / len(proxies)
    return {proxies[i]: UPGRADE + rank * gap for rank, i in enumerate(order.tolist())}


def buckets(faults: list[Fault], signal: str = "NR", *, named: bool = True) -> pl.DataFrame:
    """Steady traffic of all workloads, and the faults."""
    last = 120 + 6 * MINUTES + 6
    rows: list[tuple[datetime, str, str, str | None, str, int, str, int]] = [
        (START + n * STEP, "source", f"app-{w}-v1.shop", None, f"svc-{w}.shop", 200, "-", 200)
        for n in range(last)
        for w in range(WORKLOADS)
    ]
    for at, w, number, count in faults:
        start = START + (at - START) // STEP * STEP
        name = pod(w, number) if named else None
        rows.append(
            (start, "source", f"app-{w}-v1.shop", name, f"svc-{w}.shop", 503, signal, count)
        )
    return pl.DataFrame(rows, schema=ROLLUP, orient="row").sort("time")


def known(
    times: dict[tuple[int, int], datetime], end: datetime, kind: WindowKind = "upgrade"
) -> list[Window]:
    """The window as it is known at ``end``."""
    if end <= UPGRADE:
        return []
    done = {f"{pod(*one)}.shop": at for one, at in times.items() if at < end}
    return [Window("w", kind, UPGRADE, None, "1.26.0", "1.27.0", None, len(times), done, 0, "")]


def run(
    frame: pl.DataFrame,
    times: dict[tuple[int, int], datetime],
    kind: WindowKind = "upgrade",
    *,
    restart: Callable[[Engine], Engine] = lambda engine: engine,
) -> Iterator[list[Verdict]]:
    engine = Engine(DetectionSettings())
    for bucket in engine.encode(frame):
        engine = restart(engine)
        yield engine.judge(bucket, known(times, bucket.start + STEP, kind))


def alarms(found: Iterator[list[Verdict]]) -> list[Verdict]:
    return [verdict for bucket in found for verdict in bucket if verdict.alarm]


def first(found: Iterator[list[Verdict]]) -> datetime:
    """Time of the first alarm; far away when there is none."""
    return min((verdict.time for verdict in alarms(found)), default=START + timedelta(days=1))


def sparse(times: dict[tuple[int, int], datetime], every: int) -> list[Fault]:
    """One error at every so many proxies, just after its reconcile."""
    late = timedelta(seconds=1)
    return [(at + late, *one, 1) for n, (one, at) in enumerate(times.items()) if n % every == 0]


def test_four_hundred_proxies_with_two_seconds_without_routes_each_are_found() -> None:
    times = reconciles(10)
    faults = [(at + timedelta(seconds=s), *one, 2) for one, at in times.items() for s in (0, 1)]
    found = alarms(run(buckets(faults), times))
    assert found[0].time - UPGRADE <= timedelta(seconds=60)
    assert {verdict.series.signal for verdict in found} == {"NR"}
    assert len({verdict.series for verdict in found}) == WORKLOADS


def test_one_error_at_each_of_thirty_proxies_is_found_sooner_when_it_is_aligned() -> None:
    times = reconciles(3)
    faults = sparse(times, 4)
    assert len(faults) == 30
    shuffled = [
        (UPGRADE + timedelta(seconds=(n * 97) % 590), w, p, 1)
        for n, (_, w, p, _) in enumerate(faults)
    ]
    soon = first(run(buckets(faults), times))
    assert soon - UPGRADE <= timedelta(minutes=6)
    assert soon < first(run(buckets(shuffled), times))
    assert soon < first(run(buckets(faults, named=False), times))


@pytest.mark.parametrize(
    ("kind", "signal", "seen"),
    [
        ("upgrade", "NR", True),
        ("restart", "UH", True),
        ("push", "NR", False),
        ("upgrade", "UT", False),
    ],
)
def test_only_signals_of_reconciliation_in_windows_of_reconnects_are_lined_up(
    kind: WindowKind, signal: str, *, seen: bool
) -> None:
    times = reconciles(3)
    assert bool(alarms(run(buckets(sparse(times, 4), signal), times, kind))) is seen


def test_where_all_proxies_reconcile_at_once_alignment_says_nothing() -> None:
    times = reconciles(3, minutes=0.1)
    assert not alarms(run(buckets(sparse(times, 8)), times))


def test_a_burst_at_two_proxies_may_be_chance() -> None:
    times = reconciles(3)
    two = list(times.items())[:2]
    faults = [(at + timedelta(seconds=1), *one, 4) for one, at in two]
    assert not alarms(run(buckets(faults), times))


def test_one_error_among_five_requests_never_opens_even_at_the_moment_of_reconciling() -> None:
    times = reconciles(3)
    faults = sparse(times, 40)
    frame = buckets(faults).with_columns(
        count=pl.when(pl.col("response_code") == 200).then(5).otherwise("count")
    )
    assert not alarms(run(frame, times))


def test_a_proxy_is_found_by_its_pod_where_the_window_names_it_in_full_or_the_logs_do() -> None:
    times = reconciles(3)
    frame = buckets(sparse(times, 4))
    full = frame.with_columns(source_pod=pl.col("source_pod") + ".shop")
    bare = frame.with_columns(source=pl.col("source").str.strip_suffix(".shop"))
    found = [alarms(run(one, times)) for one in (frame, full, bare)]
    assert [verdict.time for verdict in found[0]] == [verdict.time for verdict in found[1]]
    assert [verdict.time for verdict in found[0]] == [verdict.time for verdict in found[2]]
    assert found[0]


def _reborn(engine: Engine) -> Engine:
    other = Engine(DetectionSettings())
    other.restore(engine.snapshot())
    return other


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_restarts_and_the_order_of_rows_change_no_verdict(seed: int) -> None:
    times = reconciles(3)
    faults = sparse(times, 4)
    rng = np.random.default_rng(seed)
    shuffled = [faults[i] for i in rng.permutation(len(faults)).tolist()]
    reborn = set(rng.choice(186, 4, replace=False).tolist())
    turn = iter(range(10**6))

    def restart(engine: Engine) -> Engine:
        return _reborn(engine) if next(turn) in reborn else engine

    whole = list(run(buckets(faults), times))
    assert list(run(buckets(shuffled), times, restart=restart)) == whole


def test_the_memory_of_proxies_is_bounded_in_time() -> None:
    times = reconciles(3)
    engine = Engine(DetectionSettings())
    for bucket in engine.encode(buckets(sparse(times, 1))):
        engine.judge(bucket, [])
    held = engine.aligned.state()["cells"].shape[1]
    for bucket in engine.encode(buckets([])):
        engine.judge(replace(bucket, start=bucket.start + timedelta(hours=2)), [])
    assert held > 0
    assert engine.aligned.state()["cells"].shape[1] == 0
