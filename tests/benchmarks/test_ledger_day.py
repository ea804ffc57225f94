"""The day of a mesh that `benchmarks.ledger` measures, with fewer proxies."""

from __future__ import annotations

from datetime import datetime

import pytest

from benchmarks.ledger import BEGIN, Day, bytes_a_proxy, run, storm_lines
from detector.reconciliation import Ledger
from detector.settings import Settings
from pipelines.batch import Batch
from pipelines.parse import Parser

pytestmark = pytest.mark.no_cover

PROXIES = 400
BUDGET_BYTES = 2048


def seconds(time: datetime | None) -> float:
    assert time is not None
    return (time - BEGIN).total_seconds()


def test_a_day_of_ageing_scaling_and_endpoints_shows_the_real_changes_and_nothing_else() -> None:
    made = Day(proxies=PROXIES, hours=12.0)
    _, windows, _ = run(made.events())

    assert [window.kind for window in windows] == [kind for kind, _, _ in made.truth]
    for window, (kind, start, end) in zip(windows, made.truth, strict=True):
        begun = start - 30 if kind == "revision" else start  # its istiod starts before it moves any
        assert seconds(window.started_at) == pytest.approx(begun, abs=2)
        assert seconds(window.ended_at or window.stuck_since) == pytest.approx(end, abs=10)

    by_kind = {window.kind: window for window in windows}
    upgrade, canary = by_kind["upgrade"], by_kind["revision"]

    assert (upgrade.from_version, upgrade.to_version) == ("1.22.3", "1.23.0")
    assert PROXIES <= len(upgrade.reconciled) <= 1.03 * PROXIES
    assert (canary.from_version, canary.to_version) == ("1.23.0", "1.24.0")
    assert len(canary.reconciled) == PROXIES // 20
    assert (canary.ended_at, canary.stuck_since is not None) == (None, True)


def test_a_proxy_costs_no_more_than_its_budget() -> None:
    assert bytes_a_proxy(Day(proxies=PROXIES, hours=3).events()) <= BUDGET_BYTES


def test_a_storm_of_all_proxies_is_one_window_with_all_of_them() -> None:
    lines = storm_lines(PROXIES)
    again = [line.replace(b"T01:", b"T02:") for line in lines]
    events = Parser().parse(
        Batch("istiod", 0, 0, 2 * len(lines), [*lines, *again], "control-plane")
    )
    ledger = Ledger(Settings())
    ledger.step(events.control, events.control["time"].to_list()[-1])

    (window,) = ledger.all_windows()
    assert window.kind == "reconnect-storm"
    assert len(window.reconciled) == PROXIES
