from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from detector.incidents.grouping import belongs, divided, under_way
from detector.types import Series, Window

HOST = "{}.shop.svc.cluster.local"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def series(source: str, to: str, signal: str, reporter: str = "source") -> Series:
    return Series(reporter, f"{source}-v1.shop", HOST.format(to), signal)


def reason(
    new: Series, *members: Series, pause_s: int = 10, age_s: int = 600, same_window: bool = False
) -> str | None:
    return belongs(
        new,
        members,
        pause=timedelta(seconds=pause_s),
        age=timedelta(seconds=age_s),
        same_window=same_window,
    )


@pytest.mark.parametrize(
    ("new", "pause_s", "together"),
    [
        (series("pay", "cart", "NC"), 600, True),  # same destination and signal
        (series("pay", "cart", "UT"), 100, True),  # same destination
        (series("pay", "cart", "UT"), 200, False),  # later, and of another kind
        (series("pay", "bank", "NC"), 200, True),  # same signal of reconciliation
        (series("pay", "bank", "NC"), 400, False),
        (series("web", "bank", "NC"), 100, True),
        (series("pay", "bank", "UT"), 10, False),  # another destination, another signal
        (series("gate", "web", "500"), 60, True),  # the caller answers 500 for its callee's fault
        (series("gate", "web", "500"), 300, False),
        (series("gate", "webcam", "500"), 60, False),
        (series("gate", "web", "UT"), 60, False),  # a timeout is no echo
    ],
)
def test_an_alarm_joins_what_shares_its_cause(new: Series, pause_s: int, together: bool) -> None:
    assert (reason(new, series("web", "cart", "NC"), pause_s=pause_s) is not None) is together


def test_crashes_of_two_services_have_nothing_in_common_but_their_time() -> None:
    new, old = series("pay", "bank", "UF"), series("web", "cart", "UF")
    assert reason(new, old, pause_s=120) is None
    assert reason(new, old, pause_s=120, same_window=True)


def test_an_upgrade_divides_what_paused_before_it() -> None:
    upgrade = Window("w", "upgrade", NOW, None, None, None, None, 10, {}, 0, "a test")
    push = replace(upgrade, kind="push")
    before, soon, later = (NOW + timedelta(seconds=s) for s in (-60, 30, 90))
    crash, timeout = series("web", "cart", "UF"), series("web", "cart", "UT")
    assert divided(crash, later, before, [upgrade])
    assert not divided(crash, soon, before, [upgrade])  # it has not paused
    assert not divided(crash, later, soon, [upgrade])  # the upgrade was there before
    assert not divided(timeout, later, before, [upgrade])
    assert not divided(crash, later, before, [push])


def test_an_upgrade_keeps_its_errors_together_however_long_it_pauses() -> None:
    new, old = series("pay", "bank", "NC"), series("web", "cart", "NC")
    assert reason(new, old, pause_s=900, same_window=True)
    assert reason(new, old, pause_s=900) is None


def test_signals_of_reconciliation_that_begin_together_are_one_fault() -> None:
    new, old = series("pay", "bank", "UH"), series("web", "cart", "NC")
    assert reason(new, old, age_s=20)
    assert reason(new, old, age_s=120) is None


def test_an_incident_is_within_a_window_that_it_began_in() -> None:
    def window(start_s: int, end_s: int | None) -> Window:
        start = NOW + timedelta(seconds=start_s)
        end = None if end_s is None else NOW + timedelta(seconds=end_s)
        return Window("w", "upgrade", start, end, None, None, None, 10, {}, 0, "a test")

    assert under_way(NOW, [window(-100, None)])
    assert not under_way(NOW, [window(-100, 50)])
    assert not under_way(NOW, [window(300, None)])
