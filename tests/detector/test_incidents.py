from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.engine import Engine
from detector.incidents import Change, IncidentBook
from detector.settings import DetectionSettings
from detector.types import Incident, Window
from pipelines.schema import ROLLUP

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEP = timedelta(seconds=10)
Name = tuple[str, str, str]
Row = tuple[int, Name, int, str, int]
WEB: Name = ("source", "gate-v1.shop", "web.shop.svc.cluster.local")
CART: Name = ("source", "web-v1.shop", "cart.shop.svc.cluster.local")
PAYMENTS: Name = ("source", "cart-v1.shop", "payments.shop.svc.cluster.local")
BANK: Name = ("source", "pay-v1.shop", "bank.shop.svc.cluster.local")


class Run:
    """Buckets judged and booked, with all changes by the end of their bucket.

    Args:
        order: brings the verdicts of each bucket into another order.
    """

    def __init__(self, order: random.Random | None = None) -> None:
        self.order = order
        self.settings = DetectionSettings()
        self.engine = Engine(self.settings)
        self.book = IncidentBook(self.settings)
        self.changes: list[tuple[int, Change]] = []

    def feed(self, rows: list[Row], windows: tuple[Window, ...] = ()) -> Run:
        data = [
            (START + n * STEP, e[0], e[1], None, e[2], code, flags, count)
            for n, e, code, flags, count in rows
        ]
        for bucket in self.engine.encode(pl.DataFrame(data, schema=ROLLUP, orient="row")):
            now = bucket.start + STEP
            verdicts = list(self.engine.judge(bucket, windows))
            if self.order is not None:
                self.order.shuffle(verdicts)
            for change in self.book.step(now, verdicts, self.engine):
                self.changes.append(((now - START) // STEP, change))
        return self

    def kinds(self) -> list[str]:
        return [change.kind for _, change in self.changes]


def calm(buckets: int, *edges: Name, requests: int = 300) -> list[Row]:
    return [(n, edge, 200, "-", requests) for n in range(buckets) for edge in edges]


def fault(edge: Name, span: range, count: int, code: int = 503, flags: str = "NC") -> list[Row]:
    return [(n, edge, code, flags, count) for n in span]


def only(run: Run) -> Incident:
    assert len(run.book.incidents) == 1
    return run.book.incidents[0]


def test_an_incident_opens_recovers_and_resolves_once() -> None:
    run = Run().feed([*calm(120, CART), *fault(CART, range(30, 36), 40)])
    assert [kind for kind in run.kinds() if kind != "worsen"] == ["open", "recover", "resolve"]
    incident = only(run)
    assert incident.status == "resolved"
    assert incident.started_at == START + 30 * STEP
    assert incident.detected_at == START + 31 * STEP
    assert incident.ended_at == START + 36 * STEP
    assert incident.errors == 240.0
    assert incident.requests >= 6 * 340.0


def test_a_quiet_mesh_has_no_incidents() -> None:
    assert Run().feed(calm(300, WEB, CART, BANK)).changes == []


def test_totals_tell_observed_against_expected() -> None:
    habit = fault(CART, range(60), 2, 500, "-")
    incident = only(
        Run().feed([*calm(60, CART), *habit, *fault(CART, range(40, 50), 30, 500, "-")])
    )
    assert 300 <= incident.errors <= 360
    assert incident.expected < 45
    assert incident.expected < incident.upper < incident.errors
    assert incident.excess == pytest.approx(incident.errors - incident.expected)


def test_both_sides_of_a_failed_request_are_one_error() -> None:
    callee: Name = ("destination", "unknown", CART[2])
    rows = [*calm(50, CART, callee)]
    rows += fault(CART, range(30, 36), 50, 503, "-") + fault(callee, range(30, 36), 48, 503, "UC")
    incident = only(Run().feed(rows))
    assert {series.signal for series in incident.series} == {"503", "UC"}
    assert incident.errors == 300.0


def test_callers_that_pass_an_error_on_belong_to_the_same_incident() -> None:
    rows = calm(60, WEB, CART)
    rows += fault(CART, range(30, 40), 60) + fault(WEB, range(30, 40), 60, 500, "-")
    incident = only(Run().feed(rows))
    assert {series.destination for series in incident.series} == {WEB[2], CART[2]}


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_in_which_order_the_alarms_of_a_bucket_come_decides_nothing(seed: int) -> None:
    rows = calm(40, WEB, CART, PAYMENTS, BANK)
    rows += fault(PAYMENTS, range(30, 34), 60, 504, "UT") + fault(BANK, range(30, 34), 60)
    rows += fault(CART, range(30, 34), 60, 504, "-") + fault(WEB, range(30, 34), 60, 504, "-")
    run = Run(random.Random(seed)).feed(rows)

    found = {frozenset(one.destination for one in case.series) for case in run.book.incidents}
    assert found == {frozenset({WEB[2], CART[2], PAYMENTS[2]}), frozenset({BANK[2]})}


def test_two_causes_at_once_are_two_incidents() -> None:
    rows = calm(80, CART, BANK)
    rows += fault(CART, range(30, 40), 60) + fault(BANK, range(34, 44), 60, 504, "UT")
    run = Run().feed(rows)
    assert sorted(one.series[0].signal for one in run.book.incidents) == ["NC", "UT"]


def test_an_upgrade_that_pauses_is_still_one_incident() -> None:
    upgrade = Window("w", "upgrade", START, None, None, None, None, 10, {}, 0, "a test")
    rows = [
        *calm(150, CART, BANK),
        *fault(CART, range(30, 33), 60),
        *fault(BANK, range(90, 93), 60),
    ]
    assert len(Run().feed(rows, (upgrade,)).book.incidents) == 1
    assert len(Run().feed(rows).book.incidents) == 2


def test_a_fault_that_comes_and_goes_does_not_flap() -> None:
    spans = [range(n, n + 2) for n in range(30, 120, 12)]
    rows = [*calm(200, CART), *(row for span in spans for row in fault(CART, span, 40))]
    run = Run().feed(rows)
    assert run.kinds().count("open") == 1
    assert run.kinds().count("resolve") == 1


def with_habit(seed: int, buckets: int, *edges: Name) -> list[Row]:
    """Calm traffic with an error a minute or so on every edge."""
    errors = np.random.default_rng(seed).poisson(0.15, (len(edges), buckets))
    habits = [
        (n, edge, 503, "UF", int(errors[i, n]))
        for i, edge in enumerate(edges)
        for n in np.flatnonzero(errors[i]).tolist()
    ]
    return [*calm(buckets, *edges), *habits]


def test_a_burst_that_is_over_alarms_no_more() -> None:
    for seed in range(3):
        burst = fault(CART, range(360, 363), 15, flags="UF")
        run = Run().feed([*with_habit(seed, 480, CART), *burst])
        kinds = [kind for kind in run.kinds() if kind != "worsen"]
        assert kinds == ["open", "recover", "resolve"], seed
        resolved = next(at for at, change in run.changes if change.kind == "resolve")
        assert resolved <= 363 + 60 + 12, seed


def test_what_was_told_is_not_told_again() -> None:
    burst = fault(CART, range(360, 363), 12, flags="UF")
    later = fault(CART, range(436, 438), 3, flags="UF")  # within half an hour, by itself a trifle
    assert Run().feed([*calm(600, CART), *later]).book.incidents == []
    assert len(Run().feed([*calm(600, CART), *burst, *later]).book.incidents) == 1


def test_another_kind_of_fault_after_the_first_has_ended_is_another_incident() -> None:
    rows = [*calm(200, CART), *fault(CART, range(60, 66), 60, flags="UF")]
    rows += fault(CART, range(90, 96), 60, 504, "UT")
    assert len(Run().feed(rows).book.incidents) == 2


def test_two_services_that_crash_minutes_apart_are_two_incidents() -> None:
    rows = [*calm(200, CART, BANK), *fault(CART, range(60, 66), 60, flags="UF")]
    rows += fault(BANK, range(72, 78), 60, flags="UF")
    assert len(Run().feed(rows).book.incidents) == 2


def test_an_upgrade_after_a_crash_is_another_cause() -> None:
    begun = START + 85 * STEP
    upgrade = Window("w", "upgrade", begun, None, None, None, None, 10, {}, 0, "a test")
    rows = [*calm(200, CART), *fault(CART, range(60, 66), 60, flags="UF")]
    rows += fault(CART, range(90, 96), 60, flags="UF")
    assert len(Run().feed(rows, (upgrade,)).book.incidents) == 2
    assert len(Run().feed(rows).book.incidents) == 1  # the same fault again


def test_an_upgrade_does_not_divide_a_fault_that_goes_on() -> None:
    begun = START + 85 * STEP
    upgrade = Window("w", "upgrade", begun, None, None, None, None, 10, {}, 0, "a test")
    rows = [*calm(200, CART), *fault(CART, range(60, 110), 60, flags="UF")]
    assert len(Run().feed(rows, (upgrade,)).book.incidents) == 1


def test_a_silent_shipper_is_no_recovery() -> None:
    rows = [row for row in calm(200, CART) if not 40 <= row[0] < 80]
    rows += [row for row in fault(CART, range(30, 90), 40) if not 40 <= row[0] < 80]
    assert len(Run().feed(rows).book.incidents) == 1


def test_worsening_is_told_when_the_excess_has_doubled() -> None:
    run = Run().feed([*calm(60, CART), *fault(CART, range(30, 40), 50)])
    told = [change.reason for _, change in run.changes if change.kind == "worsen"]
    assert 1 <= len(told) <= 4


def rows_of(seed: int) -> list[Row]:
    size = 20 + seed % 60
    return [
        *calm(100, WEB, CART, BANK),
        *fault(CART, range(30, 36), size),
        *fault(BANK, range(40, 44), size, 504, "UT"),
        *fault(WEB, range(70, 75), size, 503, "UF"),
    ]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 99))
def test_a_restart_changes_no_incident(seed: int, cut: int) -> None:
    whole = Run().feed(rows_of(seed))
    first = Run().feed([row for row in rows_of(seed) if row[0] < cut])
    second = Run()
    second.engine.restore(first.engine.snapshot())
    second.book.restore(first.book.snapshot())
    second.feed([row for row in rows_of(seed) if row[0] >= cut])
    assert second.book.incidents == whole.book.incidents


def test_a_replay_gives_the_same_names() -> None:
    names = [[one.id for one in Run().feed(rows_of(7)).book.incidents] for _ in range(2)]
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0]) > 1


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x91\x01"])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a snapshot"):
        IncidentBook(DetectionSettings()).restore(data)


def test_an_incident_that_stopped_growing_is_no_longer_worsening() -> None:
    run = Run().feed(calm(400, WEB) + fault(WEB, range(300, 310), 100))
    assert "worsen" in run.kinds()
    early = Run().feed(calm(309, WEB) + fault(WEB, range(300, 309), 100))
    states = []
    for bucket in range(309, 316):
        early.feed(calm(1, WEB) if bucket < 0 else [(bucket, WEB, 200, "-", 300)])
        states.append(only(early).status)
    assert states[-1] == "recovering"
    assert "open" in states
