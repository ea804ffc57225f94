from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.engine import Engine
from detector.engine.series import Edge
from detector.settings import DetectionSettings
from detector.types import Series, Verdict, Window
from pipelines.schema import ROLLUP

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(seconds=10)
SHOP = ("source", "web-v1.shop", "cart.shop.svc.cluster.local")
BANK = ("source", "cart-v1.shop", "bank.shop.svc.cluster.local")
Row = tuple[int, tuple[str, str, str], int, str, int]


def frame(rows: list[Row]) -> pl.DataFrame:
    """ROLLUP rows of bucket number, edge, code, flags, count."""
    return pl.DataFrame(
        [(START + n * STEP, *e[:2], None, e[2], code, flags, c) for n, e, code, flags, c in rows],
        schema=ROLLUP,
        orient="row",
    )


def steady(edge: tuple[str, str, str], buckets: range, requests: int = 300) -> list[Row]:
    return [(n, edge, 200, "-", requests) for n in buckets]


def judge(engine: Engine, rows: list[Row], windows: tuple[Window, ...] = ()) -> list[Verdict]:
    return [v for b in engine.encode(frame(rows)) for v in engine.judge(b, windows)]


def alarms(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.alarm]


def window() -> Window:
    return Window("w", "upgrade", START, None, None, None, None, 10, {}, 0, "a test")


def mixed(seed: int, buckets: int = 90) -> list[Row]:
    """Two edges with habits, and a fault in the second half."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for n in range(buckets):
        for edge in (SHOP, BANK):
            rows.append((n, edge, 200, "-", int(rng.poisson(200)) + 1))
            rows.append((n, edge, 500, "-", int(rng.poisson(1.5))))
            rows.append((n, edge, 404, "-", int(rng.poisson(4))))
        if buckets // 2 <= n < buckets // 2 + 12:
            rows.append((n, SHOP, 503, "NC", int(rng.poisson(25))))
    return rows


def test_a_flag_never_seen_before_is_judged_at_once() -> None:
    rows = [*steady(SHOP, range(7)), (5, SHOP, 503, "NC", 60)]
    first = alarms(judge(Engine(DetectionSettings()), rows))[0]
    assert first.series == Series(*SHOP, "NC")
    assert first.time == START + 6 * STEP
    assert first.started_at == START + 5 * STEP
    assert (first.errors, first.span_s) == (60.0, 10.0)
    assert first.expected < first.upper < 1.0


def test_one_error_among_five_requests_never_opens() -> None:
    rows = [*steady(SHOP, range(200), 5), *((n, SHOP, 503, "UF", 1) for n in (100, 150))]
    assert not alarms(judge(Engine(DetectionSettings()), rows))


def test_what_fails_from_its_first_request_on_is_how_it_is() -> None:
    rows = [(n, SHOP, 500, "-", 80) for n in range(400)] + steady(SHOP, range(400), 20)
    assert not alarms(judge(Engine(DetectionSettings()), rows))


@pytest.mark.parametrize("code", [401, 404, 429])
def test_what_clients_cause_opens_nothing_unless_asked_for(code: int) -> None:
    rows = [*steady(SHOP, range(120)), *((n, SHOP, code, "-", 200) for n in range(100, 120))]
    assert not alarms(judge(Engine(DetectionSettings()), rows))
    assert alarms(judge(Engine(DetectionSettings(client_incidents=True)), rows))


def test_a_scanner_at_the_gateway_opens_nothing() -> None:
    stranger = ("source", "gateway.istio-system", "unknown")
    rows = [(n, stranger, 404, "NR", 2 if n < 100 else 400) for n in range(140)]
    assert not alarms(judge(Engine(DetectionSettings()), rows))


@pytest.mark.no_cover
def test_a_window_lowers_the_threshold_for_signals_of_reconciliation_only() -> None:
    def first(signal: str, windows: tuple[Window, ...]) -> int | None:
        for size in range(8, 200, 2):
            rows = [*steady(SHOP, range(2000, 2080)), (2079, SHOP, 503, signal, size)]
            engine = Engine(DetectionSettings())
            if alarms(judge(engine, rows, windows)):
                return size
        return None

    inside, outside = first("NC", (window(),)), first("NC", ())
    assert inside is not None
    assert outside is not None
    assert inside <= outside
    assert first("UT", (window(),)) == first("UT", ())


def test_a_fault_thin_on_every_edge_is_seen_over_all_of_them() -> None:
    edges = [("source", f"app-{i}.shop", f"svc-{i}.shop.svc.cluster.local") for i in range(30)]
    rows = [row for edge in edges for row in steady(edge, range(60))]
    rows += [(n, edge, 503, "NC", 1) for n in range(50, 60) for edge in edges[n % 3 :: 3]]
    found = alarms(judge(Engine(DetectionSettings()), rows))
    assert found
    assert {verdict.series.signal for verdict in found} == {"NC"}


def test_an_outage_is_not_learnt() -> None:
    rows = [*steady(SHOP, range(400)), *((n, SHOP, 503, "UF", 250) for n in range(60, 400))]
    engine = Engine(DetectionSettings())
    judge(engine, rows)
    row = engine.catalogue.keys.row(Series(*SHOP, "UF"))
    assert engine.catalogue.rates.rate()[row] < 0.01


def test_a_lasting_partial_shift_is_accepted_after_ninety_minutes() -> None:
    rows = [*steady(SHOP, range(800)), *((n, SHOP, 500, "-", 30) for n in range(120, 800))]
    found = alarms(judge(Engine(DetectionSettings()), rows))
    assert found[0].time < START + 130 * STEP
    assert START + 650 * STEP < found[-1].time < START + 720 * STEP


def test_codes_are_counted_once_when_both_sides_tell() -> None:
    callee = ("destination", "unknown", SHOP[2])
    rows = [*steady(SHOP, range(10)), *steady(callee, range(10))]
    rows += [(n, e, 503, "-", 9) for n in range(4, 10) for e in (SHOP, callee)]
    rows += [(n, callee, 503, "UC", 9) for n in range(4, 10)]
    engine = Engine(DetectionSettings())
    judge(engine, rows)
    assert engine.catalogue.keys.row(Series(*SHOP, "503"))
    assert engine.catalogue.keys.row(Series(*callee, "UC"))
    assert not engine.catalogue.keys.row(Series(*callee, "503"))


def test_codes_of_the_callee_count_where_no_caller_is_heard() -> None:
    callee = ("destination", "unknown", SHOP[2])
    rows = [*steady(callee, range(20)), *((n, callee, 503, "-", 90) for n in range(15, 20))]
    assert alarms(judge(Engine(DetectionSettings()), rows))


def test_a_bucket_of_the_past_is_refused_and_counted() -> None:
    engine = Engine(DetectionSettings())
    rows = mixed(1, 10)
    judge(engine, rows)
    before = engine.snapshot()
    assert judge(engine, rows) == []
    assert engine.stale == 10
    told = [one.catalogue.rates.failures.tolist() for one in (engine, _restored(before))]
    assert told[0] == told[1]


def _restored(data: bytes) -> Engine:
    engine = Engine(DetectionSettings())
    engine.restore(data)
    return engine


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 89))
def test_restarts_and_splits_change_no_verdict(seed: int, cut: int) -> None:
    rows = mixed(seed)
    whole = judge(Engine(DetectionSettings()), rows)
    engine = Engine(DetectionSettings())
    early = judge(engine, [row for row in rows if row[0] < cut])
    late = judge(_restored(engine.snapshot()), [row for row in rows if row[0] >= cut])
    assert early + late == whole


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 89))
def test_nothing_uses_the_future(seed: int, cut: int) -> None:
    rows = mixed(seed)
    known = judge(Engine(DetectionSettings()), [row for row in rows if row[0] < cut])
    whole = judge(Engine(DetectionSettings()), rows)
    assert [v for v in whole if v.time <= START + cut * STEP] == known


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x28\xb5\x2f\xfd garbage"])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a snapshot"):
        Engine(DetectionSettings()).restore(data)


def test_a_snapshot_of_another_bucket_length_is_refused() -> None:
    engine = Engine(DetectionSettings())
    with pytest.raises(ValueError, match="bucket length"):
        Engine(DetectionSettings(bucket_s=5)).restore(engine.snapshot())


def test_history_tells_the_buckets_with_errors() -> None:
    engine = Engine(DetectionSettings())
    judge(
        engine, [*steady(SHOP, range(20), 90), (7, SHOP, 503, "NC", 10), (12, SHOP, 503, "NC", 5)]
    )
    told = engine.history([Series(*SHOP, "NC")], START)
    assert told["time"].to_list() == [START + 7 * STEP, START + 12 * STEP]
    assert told["errors"].to_list() == [10.0, 5.0]
    assert told["requests"].to_list() == [100.0, 95.0]
    assert engine.history([Series(*SHOP, "NC")], START + 8 * STEP).height == 1
    assert engine.history([Series(*SHOP, "UF")], START).is_empty()


def test_history_is_bounded_in_time() -> None:
    engine = Engine(DetectionSettings(history_s=600))
    judge(engine, [*steady(SHOP, range(100)), *((n, SHOP, 500, "-", 1) for n in range(100))])
    told = engine.history([Series(*SHOP, "500")], START)
    assert told["time"].min() == START + 40 * STEP


def test_a_flood_of_names_evicts_the_quiet_and_stays_within_the_limit() -> None:
    engine = Engine(DetectionSettings(max_series=100))
    rows = steady(SHOP, range(40), 100_000)
    for n in range(40):
        strange = [("source", f"s{n}-{i}.x", f"d{n}-{i}") for i in range(20)]
        rows += [(n, edge, 503, "UF", 1) for edge in strange]
    judge(engine, rows)
    assert len(engine.catalogue.keys) <= 100
    assert len(engine.catalogue.edges) <= 100
    assert engine.catalogue.edges.evicted > 0
    assert engine.catalogue.edges.row(Edge(*SHOP)) > 0


@pytest.mark.no_cover
def test_a_busy_newcomer_gets_its_place_among_a_flood_of_names_and_keeps_it() -> None:
    engine = Engine(DetectionSettings(max_series=100))
    cat = engine.catalogue
    rows = steady(SHOP, range(60), 100_000)
    for n in range(60):
        rows += [(n, ("source", f"s{n}-{i}.x", f"d{n}-{i}"), 503, "UF", 1) for i in range(300)]
    newcomer = ("source", "zebra-v1.zoo", "zoo.zoo.svc.cluster.local")  # the last by name
    rows += [
        *steady(newcomer, range(40, 60)),
        *((n, newcomer, 503, "UF", 9) for n in range(40, 60)),
    ]
    for bucket in engine.encode(frame(rows)):
        engine.judge(bucket, ())
        if bucket.start >= START + 40 * STEP:
            assert cat.edges.row(Edge(*newcomer)) > 0
            assert cat.keys.row(Series(*newcomer, "UF")) > 0
    assert cat.edges.row(Edge(*SHOP)) > 0
    assert cat.refused > 0  # most of the others
    gone = list(cat.gone)
    assert gone
    assert {one.source[0] for one in gone} == {"s"}
    restored = Engine(DetectionSettings(max_series=100))
    restored.restore(engine.snapshot())
    assert (list(restored.catalogue.gone), restored.catalogue.refused) == (gone, cat.refused)


def test_one_member_alone_does_not_alarm_through_its_aggregate() -> None:
    engine = Engine(DetectionSettings())
    rows = [*steady(SHOP, range(400)), *steady(BANK, range(400))]
    rows += [(n, edge, 503, "UF", 1) for n, edge in ((100, SHOP), (120, BANK))]
    rows += [(380, SHOP, 503, "UF", 9)]
    assert not alarms(judge(engine, rows))


def test_a_few_errors_a_minute_are_found_where_there_were_none_for_a_day() -> None:
    busy = 3000
    rows = [*steady(SHOP, range(busy + 60)), (10, SHOP, 500, "-", 1)]
    rows += [(n, SHOP, 500, "-", 1) for n in range(busy, busy + 60, 2)]
    found = alarms(judge(Engine(DetectionSettings()), rows))
    assert found
    assert found[0].time <= START + (busy + 45) * STEP


def clumped(flags: str, clump: float, seed: int = 1, edges: int = 16) -> list[Row]:
    """Two hours in which all edges but the last show a signal now and then, in clumps."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for i in range(edges):
        edge = ("source", f"app-{i}-v1.shop", f"svc-{i}.shop.svc.cluster.local")
        rows += steady(edge, range(720))
        failing = np.flatnonzero(rng.random(720) < 0.02 * (i < edges - 1)).tolist()
        rows += [(n, edge, 503, flags, int(rng.geometric(1.0 / clump))) for n in failing]
    return sorted(rows)


def test_an_edge_that_never_showed_a_signal_borrows_the_clumps_of_those_that_did() -> None:
    last = ("source", "app-15-v1.shop", "svc-15.shop.svc.cluster.local")
    found = []
    for clump in (1.0, 12.0):
        engine = Engine(DetectionSettings())
        judge(engine, clumped("UF", clump))
        verdicts = judge(engine, [*steady(last, range(720, 721)), (720, last, 503, "UF", 30)])
        found.append(max((one.surprise for one in alarms(verdicts)), default=0.0))
    assert found[0] > 3.0  # thirty where errors come singly
    assert found[1] == 0.0  # thirty where they come by the dozen
