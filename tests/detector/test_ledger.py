from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.reconciliation import Ledger
from detector.settings import Settings
from detector.types import Window, WindowKind
from pipelines.schema import CONTROL, CONTROL_KINDS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
AGE_S = 1800.0
Row = dict[str, Any]


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def seconds(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - BEGIN).total_seconds()


def row(time: float, kind: str, proxy: str | None = None, **rest: object) -> Row:
    return dict.fromkeys(CONTROL) | {"time": at(time), "kind": kind, "proxy": proxy} | rest


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CONTROL, orient="row").sort("time", maintain_order=True)


def told(rows: Iterable[Row], until: float) -> Ledger:
    """A ledger that was told these events, and brought to a time."""
    ledger = Ledger(Settings())
    ledger.step(frame(rows), at(until))
    return ledger


def found(ledger: Ledger, *kinds: WindowKind) -> list[Window]:
    windows = ledger.windows(BEGIN)
    return [window for window in windows if not kinds or window.kind in kinds]


def names(count: int) -> list[str]:
    return [f"web-{number}.shop" for number in range(count)]


def connects(count: int, start: float, step: float, version: str | None = "1.6.14") -> list[Row]:
    return [
        row(start + step * number, "connect", name, version=version)
        for number, name in enumerate(names(count))
    ]


def ageing(count: int, until: float, seed: int = 1) -> list[Row]:
    """Proxies that all connected together and reconnect at gRPC's jittered connection age."""
    chance = random.Random(seed)
    rows = []
    for name in names(count):
        time = chance.uniform(0, 20)
        while time < until:
            rows.append(row(time, "connect", name, version="1.6.14"))
            rows.append(row(time + 1700, "disconnect", name))
            time += AGE_S * chance.uniform(0.9, 1.1)
    return [row for row in rows if row["time"] < at(until)]


def test_an_upgrade_lasts_until_the_then_known_proxies_have_come_over() -> None:
    rows = [
        *connects(100, 0, 10),
        row(2000, "control-plane-start", version="1.7.5"),
        *connects(100, 2010, 3, "1.7.5"),
        *connects(3, 3000, 1, "1.7.5"),  # ageing connections later on
    ]

    (window,) = found(told(rows, 4000))

    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.6.14", "1.7.5")
    assert (seconds(window.started_at), seconds(window.ended_at)) == (2000, 2010 + 99 * 3)
    assert (window.expected, len(window.reconciled)) == (100, 100)
    assert seconds(window.reconciled["web-7.shop"]) == 2010 + 7 * 3


def test_an_upgrade_is_open_while_proxies_are_missing_and_told_at_its_first_proxy() -> None:
    ledger = told([*connects(10, 0, 1), row(100, "control-plane-start", version="1.7.5")], 110)
    assert found(ledger) == []

    (opened,) = ledger.step(frame(connects(4, 120, 5, "1.7.5")), at(150))

    assert (opened.kind, opened.ended_at) == ("upgrade", None)
    assert seconds(opened.started_at) == 100
    assert len(opened.reconciled) == 4


def test_an_upgrade_without_a_start_line_is_seen_by_the_versions_of_reconnects() -> None:
    (window,) = found(told([*connects(20, 0, 1), *connects(20, 500, 9, "1.7.5")], 2000))

    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.6.14", "1.7.5")
    assert seconds(window.started_at) == 500


def test_an_upgrade_waits_for_its_last_proxies_as_long_as_their_pace_suggests() -> None:
    move = connects(58, 2000, 10, "1.7.5")
    rows = [
        *connects(58, 0, 5),
        row(1990, "control-plane-start", version="1.7.5"),
        *move[:-1],
        move[-1] | {"time": move[-1]["time"] + timedelta(seconds=20)},
    ]

    (window,) = found(told(rows, 4000))

    assert len(window.reconciled) == 58
    assert seconds(window.ended_at) == 2000 + 57 * 10 + 20


def test_stragglers_of_a_finished_upgrade_open_no_second_one() -> None:
    upgrade = connects(200, 2000, 1, "1.7.5")
    late = [event for event in upgrade if event["proxy"] in {"web-150.shop", "web-20.shop"}]
    rows = [
        *connects(200, 0, 5),
        row(1990, "control-plane-start", version="1.7.5"),
        *(event for event in upgrade if event not in late),
        *(event | {"time": at(2900)} for event in late),
    ]

    (window,) = found(told(rows, 4000))

    assert seconds(window.ended_at) == 2000 + 199


def test_a_start_that_is_told_late_still_finds_who_came_before_the_telling() -> None:
    ledger = told([*connects(20, 0, 1), *connects(10, 101, 1, "1.7.5")], 115)
    assert [window.kind for window in found(ledger)] == ["upgrade"]
    unversioned = told([*connects(20, 0, 1, None), *connects(3, 101, 1, None)], 115)

    unversioned.step(frame([row(100, "control-plane-start")]), at(116))

    (window,) = found(unversioned, "restart")
    assert seconds(window.started_at) == 100
    assert window.reconciled.keys() == set(names(3))
    assert window.expected == 20


def test_pods_that_come_back_under_another_revision_are_an_upgrade() -> None:
    def pods(generation: str, start: float, version: str) -> list[Row]:
        return [
            row(start + 20 * n, "connect", f"app{n}-6b9f8c5d7-{generation}.shop", version=version)
            for n in range(10)
        ]

    (window,) = found(told([*pods("x7k2p", 0, "1.6.14"), *pods("q4w8z", 900, "1.7.5")], 3000))

    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.6.14", "1.7.5")
    assert (seconds(window.started_at), seconds(window.ended_at)) == (900, 1080)
    assert len(window.reconciled) == 10


def test_deleted_pods_are_not_waited_for() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start", version="1.7.5"),
        *connects(15, 101, 2, "1.7.5"),
        *(row(110, "disconnect", name) for name in names(20)[15:]),
    ]
    ledger = told(rows, 300)

    (window,) = found(ledger)

    assert (window.expected, len(window.reconciled)) == (15, 15)
    assert seconds(window.ended_at) == 101 + 14 * 2


def test_the_banner_of_each_istiod_gives_its_connections_their_version() -> None:
    def log(rows: list[Row], istiod: str) -> list[Row]:
        return [event | {"istiod": istiod, "source": "istiod-log"} for event in rows]

    rows = [
        row(0, "control-plane-start", version="1.6.14", istiod="a", source="istiod-log"),
        *log(connects(20, 1, 1, None), "a"),
        row(100, "control-plane-start", istiod="b", source="istiod-log"),
        row(100.5, "control-plane-start", version="1.7.5", istiod="b", source="istiod-log"),
        *log(connects(20, 101, 1, None), "b"),
    ]

    (window,) = found(told(rows, 600))

    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.6.14", "1.7.5")


def test_a_version_that_is_told_after_the_first_proxy_came_still_counts() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start"),
        row(101, "connect", "web-0.shop"),
        row(102, "control-plane-start", version="1.7.5"),
        *connects(20, 103, 1, "1.7.5"),
    ]

    (window,) = found(told(rows, 600))

    assert (window.kind, window.to_version) == ("upgrade", "1.7.5")
    assert seconds(window.started_at) == 100


def test_a_proxy_that_refuses_what_it_gets_in_an_upgrade_counts_as_failed() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start", version="1.7.5"),
        *connects(20, 101, 1, "1.7.5"),
        row(103.5, "nack", "web-2.shop", type="LDS", error="no"),
    ]

    (upgrade,) = found(told(rows, 600), "upgrade")

    assert upgrade.failed == 1


def test_an_upgrade_that_never_completes_ends_at_its_last_proxy() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start", version="1.7.5"),
        *connects(5, 101, 1, "1.7.5"),
    ]

    assert [seconds(window.ended_at) for window in found(told(rows, 650))] == [None]
    assert [seconds(window.ended_at) for window in found(told(rows, 900))] == [105]


def test_a_rollback_is_an_upgrade_of_its_own() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start", version="1.7.5"),
        *connects(20, 101, 1, "1.7.5"),
        row(400, "control-plane-start", version="1.6.14"),
        *connects(20, 401, 1),
    ]

    there, back = found(told(rows, 1000))

    assert (there.from_version, there.to_version) == ("1.6.14", "1.7.5")
    assert (back.from_version, back.to_version) == ("1.7.5", "1.6.14")


def test_a_start_of_the_same_version_is_a_restart_however_long_it_takes() -> None:
    rows = [
        *connects(50, 0, 1),
        row(500, "control-plane-start", version="1.6.14"),
        *connects(50, 501, 2),
    ]

    assert [window.kind for window in found(told(rows, 2000))] == ["restart"]


def test_without_versions_proxies_that_lost_their_control_plane_together_are_a_restart() -> None:
    lost = [row(500, "disconnect", name) for name in names(50)]
    rows = [
        *connects(50, 0, 1, None),
        row(501, "control-plane-start"),
        *lost,
        *connects(50, 502, 1, None),
    ]

    assert [window.kind for window in found(told(rows, 2000))] == ["restart"]


def test_a_replica_that_no_proxy_follows_is_no_window() -> None:
    rows = [*ageing(60, 4000), row(2500, "control-plane-start", istiod="b", version="1.6.14")]

    assert found(told(rows, 8000)) == []


def test_a_first_start_with_its_first_proxies_is_no_window() -> None:
    rows = [
        row(0, "control-plane-start", version="1.7.5"),
        *connects(50, 1, 0.1, "1.7.5"),
        row(6.2, "push", full=True, proxies=50),
    ]

    assert found(told(rows, 600)) == []


def test_only_connections_to_the_started_istiod_belong_to_its_restart() -> None:
    def to(istiod: str, rows: list[Row]) -> list[Row]:
        return [event | {"istiod": istiod} for event in rows]

    rows = [
        *to("a", connects(40, 0, 1, None)),
        row(100, "control-plane-start", istiod="b"),
        *to("a", connects(3, 101, 0.5, None)),
        *to("b", connects(20, 110, 0.5, None)),
    ]

    (window,) = found(told(rows, 1000))

    assert window.reconciled.keys() == set(names(20))
    assert seconds(min(window.reconciled.values())) == 110


def test_a_push_counter_that_begins_anew_tells_of_a_start() -> None:
    def push(time: float, counter: int) -> Row:
        return row(time, "push", full=False, counter=counter, istiod="a")

    rows = [push(0, 40), *connects(20, 1, 1), push(100, 41), push(200, 1), *connects(20, 202, 0.2)]

    (window,) = found(told(rows, 1000))

    assert (window.kind, seconds(window.started_at)) == ("restart", 200)


def test_the_counters_of_two_unnamed_istiods_do_not_look_like_restarts() -> None:
    pushes = [
        row(100 + 10 * n, "push", full=False, counter=count)
        for n, count in enumerate([40, 2, 41, 3, 42, 4, 43, 5])
    ]

    assert found(told([*connects(20, 0, 1), *pushes, *connects(3, 130, 1)], 1000)) == []


@pytest.mark.parametrize("count", [11, 100, 2000])
def test_ageing_connections_are_no_window_even_when_they_age_together(count: int) -> None:
    assert found(told(ageing(count, 3 * 3600), 4 * 3600)) == []


def test_many_proxies_that_reconnect_at_once_are_a_storm() -> None:
    rows = [*ageing(200, 1600), *connects(120, 1000, 0.1)]

    (storm,) = found(told(rows, 3000))

    assert storm.kind == "reconnect-storm"
    assert seconds(storm.started_at) == 1000
    assert 1011 <= (seconds(storm.ended_at) or 0) <= 1012
    assert len(storm.reconciled) == 120


def test_proxies_that_leave_one_by_one_without_a_start_line_are_a_storm() -> None:
    (storm,) = found(told([*connects(11, 0, 1, None), *connects(11, 600, 5.5, None)], 2000))

    assert storm.kind == "reconnect-storm"
    assert (seconds(storm.started_at), seconds(storm.ended_at)) == (600, 655)
    assert len(storm.reconciled) == 11


def test_a_shorter_connection_age_becomes_usual() -> None:
    chance = random.Random(3)
    rows = [
        row(chance.uniform(0, 600) + 600 * n, "connect", name)
        for name in names(300)
        for n in range(30)
    ]

    assert [window for window in found(told(rows, 18_600)) if window.started_at > at(4000)] == []


def test_the_old_control_planes_pushes_during_an_upgrade_are_windows_of_their_own() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start", version="1.7.5"),
        *connects(20, 101, 4, "1.7.5"),
        row(120, "push", full=True, version="1.6.14", proxies=15),
        row(130, "push", full=True, version="1.7.5", proxies=6),
    ]

    assert [window.kind for window in found(told(rows, 1000))] == ["upgrade", "push"]


def test_one_proxy_in_a_crash_loop_is_no_storm() -> None:
    loop = [row(1000 + 2.5 * n, "connect", "web-3.shop", version="1.6.14") for n in range(40)]

    assert found(told([*connects(20, 0, 1), *loop], 2000)) == []


def test_endpoint_pushes_are_steady_state() -> None:
    pushes = [row(100 + 3 * n, "push", full=False, type="EDS") for n in range(200)]
    single = [row(100 + n, "push", "web-1.shop", full=False, type="EDS") for n in range(200)]

    assert found(told([*connects(20, 0, 1), *pushes, *single], 1000)) == []


def test_a_push_ends_when_all_proxies_have_it_or_nobody_gets_it_any_more() -> None:
    got = [row(100 + 0.1 * n, "ack", name, type="CDS") for n, name in enumerate(names(20))]
    rows = [
        *connects(20, 0, 1),
        row(100, "push", full=True),
        *got,
        row(200, "push", full=True),
        row(203.5, "ack", "web-1.shop", type="CDS"),
    ]

    whole, partial = found(told(rows, 1000))

    assert (seconds(whole.ended_at), len(whole.reconciled)) == (101.9, 20)
    assert (seconds(partial.ended_at), len(partial.reconciled)) == (203.5, 1)
    assert whole.expected == partial.expected == 20


def test_endpoint_pushes_do_not_keep_the_window_of_a_full_push_open() -> None:
    endpoints = [row(100 + n, "push", "web-1.shop", type="EDS") for n in range(60)]
    rows = [*connects(20, 0, 1), row(100, "push", full=True), *endpoints]

    (window,) = found(told(rows, 1000))

    assert seconds(window.ended_at) == 105


def test_a_push_to_a_large_mesh_lasts_as_long_as_proxies_get_it() -> None:
    got = [row(100 + n, "push", name, type="CDS") for n, name in enumerate(names(60))]
    rows = [*connects(60, 0, 1), row(100, "push", full=True), *got]

    (window,) = found(told(rows, 1000))

    assert (seconds(window.ended_at), len(window.reconciled)) == (159, 60)


def test_a_push_is_a_window_even_if_nothing_tells_which_proxies_there_are() -> None:
    (window,) = found(told([row(100, "push", full=True)], 200))

    assert (window.kind, window.expected) == ("push", 0)


def test_a_push_to_nobody_is_no_window() -> None:
    assert found(told([row(100, "push", full=True, proxies=0)], 200)) == []


def test_replicas_announcing_one_change_are_one_push() -> None:
    rows = [
        *connects(30, 0, 1),
        row(100, "push", full=True, istiod="a", proxies=20),
        row(100.4, "push", full=True, istiod="b", proxies=10),
    ]

    (window,) = found(told(rows, 200))

    assert window.expected == 30


def test_pushes_told_proxy_by_proxy_are_one_push() -> None:
    pushes = [row(100 + 0.1 * n, "push", name, full=True) for n, name in enumerate(names(20))]

    (window,) = found(told([*connects(20, 0, 1), *pushes], 200))

    assert (window.kind, len(window.reconciled), window.expected) == ("push", 20, 20)


def test_what_a_new_control_plane_pushes_while_proxies_come_over_is_part_of_that() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "control-plane-start", version="1.7.5"),
        *connects(20, 101, 4, "1.7.5"),
        *(row(103 + 4 * n, "push", full=True, proxies=n + 1) for n in range(20)),
    ]

    assert [window.kind for window in found(told(rows, 1000))] == ["upgrade"]


def test_many_full_pushes_within_a_minute_are_a_storm() -> None:
    calm = [row(200 + 400 * n, "push", full=True) for n in range(5)]
    burst = [row(2500 + 5 * n, "push", full=True) for n in range(8)]

    storms = found(told([*connects(20, 0, 1), *calm, *burst], 4000), "push-storm")

    assert [seconds(storm.started_at) for storm in storms] == [2500]
    assert [seconds(storm.ended_at) for storm in storms] == [2535]


def test_a_mesh_that_pushes_all_the_time_has_no_push_storms() -> None:
    pushes = [row(100 + 8 * n, "push", full=True) for n in range(900)]
    storms = found(told([*connects(20, 0, 1), *pushes], 8000), "push-storm")

    assert [seconds(storm.started_at) for storm in storms if storm.started_at > at(4000)] == []


def test_a_refusal_is_a_window_until_the_proxies_accept_again() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "push", full=True, proxies=20),
        row(100.2, "nack", "web-1.shop", type="LDS", error="bad filter"),
        row(100.3, "nack", "web-2.shop", type="LDS", error="bad filter"),
        row(130, "ack", "web-1.shop", type="LDS"),
        row(140, "ack", "web-2.shop", type="LDS"),
    ]

    ledger = told(rows, 1000)
    (push,), (nack,) = found(ledger, "push"), found(ledger, "nack")

    assert push.failed == nack.failed == 2
    assert (seconds(nack.started_at), seconds(nack.ended_at)) == (100.2, 140)
    assert "LDS" in nack.reason
    assert "bad filter" in nack.reason


def test_the_ledger_knows_each_proxys_last_events() -> None:
    ledger = told(
        [
            row(0, "connect", "web-1.shop", version="1.6.14", istiod="a"),
            row(10, "push", "web-1.shop", type="CDS"),
            row(11, "ack", "web-1.shop", type="CDS"),
            row(20, "nack", "web-1.shop", type="LDS"),
            row(30, "disconnect", "web-1.shop", istiod="a"),
            row(31, "connect", "web-1.shop", version="1.7.5", istiod="b"),
        ],
        60,
    )
    proxy = ledger.proxies["web-1.shop"]

    assert (proxy.version, proxy.istiod, proxy.connected) == ("1.7.5", "b", True)
    assert [seconds(time) for time in proxy.reconciles] == [0, 31]
    assert seconds(proxy.connected_at) == 31
    assert seconds(proxy.pushed_at) == 10
    assert seconds(proxy.acked_at) == 11
    assert seconds(proxy.nacked_at) == 20
    assert ledger.namespace_of("web-1") == "shop"
    assert ledger.namespace_of("web-2") is None


def test_the_agent_and_istiod_tell_of_one_connection() -> None:
    rows = [
        row(0, "connect", "web-1.shop", source="istiod-log", version="1.7.5"),
        row(0.3, "connect", "web-1", source="agent-log"),
    ]
    ledger = told(rows, 60)

    assert list(ledger.proxies) == ["web-1.shop"]
    assert [seconds(time) for time in ledger.proxies["web-1.shop"].reconciles] == [0]
    assert ledger.proxies["web-1.shop"].version == "1.7.5"


def test_the_agents_word_coming_first_hides_no_change_of_version() -> None:
    moves = [
        told_by
        for event in connects(10, 500, 9, "1.7.5")
        for told_by in (
            event | {"version": None, "source": "agent-log"},
            event | {"time": event["time"] + timedelta(milliseconds=40), "source": "istiod-log"},
        )
    ]

    (window,) = found(told([*connects(10, 0, 1), *moves], 2000))

    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.6.14", "1.7.5")
    assert len(window.reconciled) == 10


def test_a_bare_pod_name_gets_its_namespace_when_that_is_told() -> None:
    rows = [row(0, "connect", "web-1"), row(100, "connect", "web-1.shop")]
    ledger = told(rows, 200)

    assert list(ledger.proxies) == ["web-1.shop"]
    assert len(ledger.proxies["web-1.shop"].reconciles) == 2


def test_a_late_end_of_the_old_connection_does_not_disconnect_the_new_one() -> None:
    rows = [
        row(0, "connect", "web-1.shop"),
        row(100, "connect", "web-1.shop"),
        row(110, "disconnect", "web-1.shop"),
        row(300, "disconnect", "web-1.shop"),
    ]

    assert told(rows[:3], 200).proxies["web-1.shop"].connected
    assert not told(rows, 400).proxies["web-1.shop"].connected


def test_events_from_a_clock_that_is_ahead_are_left_out_and_counted() -> None:
    ledger = told([*connects(5, 0, 1), row(90_000, "connect", "web-9.shop")], 60)

    assert ledger.future == 1
    assert "web-9.shop" not in ledger.proxies
    assert ledger.coverage("upgrade") == 0


def test_proxies_that_left_are_forgotten_and_those_that_stay_silent_too() -> None:
    rows = [
        *connects(3, 0, 1),
        row(60, "disconnect", "web-0.shop"),
        row(3600, "push", "web-2.shop", type="CDS"),
    ]
    ledger = told(rows, 3600)
    assert len(ledger.proxies) == 3

    ledger.step(frame([]), at(3 * 3600))
    assert ledger.proxies.keys() == {"web-1.shop", "web-2.shop"}
    assert ledger.namespace_of("web-0") is None

    ledger.step(frame([]), at(24 * 3600 + 600))
    assert ledger.proxies.keys() == {"web-2.shop"}


def test_a_proxy_keeps_a_bounded_number_of_reconnects_the_newest() -> None:
    ledger = told([row(100 * n, "connect", "web-1.shop") for n in range(100)], 10_000)

    times = [seconds(time) for time in ledger.proxies["web-1.shop"].reconciles]

    assert times == [100 * n for n in range(96, 100)]


def test_old_windows_are_forgotten_but_still_count_in_the_coverage() -> None:
    pushes = [row(100 + 600 * n, "push", full=True, proxies=20) for n in range(100)]
    ledger = told([*connects(20, 0, 1), *pushes], 60_000)

    assert 20 <= len(found(ledger, "push")) <= 26
    assert ledger.coverage("push") == pytest.approx(100 * 22 / 60_000, rel=1e-6)


def test_the_coverage_counts_overlapping_windows_and_open_ones_once() -> None:
    ledger = told(
        [*connects(20, 0, 1), *(row(100 + 12 * n, "push", full=True) for n in range(5))], 150
    )

    assert ledger.coverage("push") == pytest.approx(50 / 150)
    assert ledger.coverage("upgrade") == 0


def test_a_flood_of_windows_pushes_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.reconciliation.windows.MAX_WINDOWS", 10)
    flips = [
        row(100 + n, ("nack", "ack")[n % 2], "web-1.shop", type="LDS", error="no")
        for n in range(200)
    ]

    windows = found(told([*connects(5, 0, 1), *flips], 400))

    assert len(windows) == 10
    assert seconds(windows[-1].started_at) == 298


def test_a_flood_of_names_pushes_out_the_longest_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.reconciliation.proxies.MAX_PROXIES", 100)
    monkeypatch.setattr("detector.reconciliation.proxies.SURPLUS", 10)

    proxies = told(connects(1000, 0, 0.1), 100).proxies

    assert 100 <= len(proxies) <= 110
    assert "web-999.shop" in proxies
    assert "web-0.shop" not in proxies


def test_an_upgrade_of_five_thousand_proxies_is_followed_to_the_last() -> None:
    rows = [
        *connects(5000, 0, 0.3),
        row(1600, "control-plane-start", version="1.7.5"),
        *connects(5000, 1601, 0.1, "1.7.5"),
    ]

    (window,) = found(told(rows, 3000))

    assert (window.expected, len(window.reconciled)) == (5000, 5000)
    assert seconds(window.ended_at) == pytest.approx(1601 + 499.9)


def stories() -> list[Row]:
    """An upgrade, a restart, pushes, refusals and a storm."""
    chance = random.Random(7)
    return frame(
        [
            *connects(40, 0, 1),
            *(row(60 + 37 * n, "push", full=True, proxies=40) for n in range(8)),
            *(row(60.5 + 37 * n, "ack", name, type="CDS") for n in range(8) for name in names(40)),
            row(140, "nack", "web-3.shop", type="RDS", error="no"),
            row(400, "control-plane-start", version="1.7.5"),
            *connects(40, 401, 2, "1.7.5"),
            row(600, "control-plane-start", version="1.7.5"),
            *(
                row(601 + chance.uniform(0, 9), "connect", name, version="1.7.5")
                for name in names(40)
            ),
            *(
                row(800 + chance.uniform(0, 9), "connect", name, version="1.7.5")
                for name in names(40)
            ),
        ]
    ).to_dicts()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=12), st.booleans())
def test_the_windows_do_not_depend_on_how_the_stream_is_cut(cuts: list[int], resume: bool) -> None:
    rows = stories()
    whole = told(rows, 1000)
    ledger = Ledger(Settings())

    begin = 0
    for cut in [*sorted(cuts), 1000]:
        part = [event for event in rows if at(begin) <= event["time"] < at(cut)]
        ledger.step(frame(part), at(cut))
        begin = cut
        if resume:
            again = Ledger(Settings())
            again.restore(ledger.snapshot())
            ledger = again

    assert {window.kind for window in found(whole)} >= {"upgrade", "restart", "push", "nack"}
    assert found(ledger) == found(whole)
    assert dict(ledger.proxies) == dict(whole.proxies)
    for kind in get_args(WindowKind):
        assert ledger.coverage(kind) == pytest.approx(whole.coverage(kind))


def test_every_event_told_twice_gives_the_same_windows() -> None:
    rows = stories()

    assert found(told([*rows, *rows], 1000)) == found(told(rows, 1000))


def test_effects_outlast_a_window_by_what_the_settings_say() -> None:
    rows = [
        *connects(20, 0, 1),
        row(100, "push", full=True),
        row(200, "control-plane-start", version="1.7.5"),
        *connects(20, 201, 1, "1.7.5"),
    ]
    ledger = told(rows, 400)
    push, upgrade = found(ledger)

    assert (seconds(push.ended_at), seconds(push.affects_until)) == (100, 122)
    assert (seconds(upgrade.ended_at), seconds(upgrade.affects_until)) == (220, 235)
    assert ledger.windows(at(122)) == [push, upgrade]
    assert ledger.windows(at(123)) == [upgrade]
    assert ledger.windows(at(236)) == []


def test_a_window_is_reported_when_it_changes_and_only_then() -> None:
    ledger = told([*connects(20, 0, 1), row(100, "push", full=True)], 101)

    assert ledger.step(frame([]), at(105)) == []
    (closed,) = ledger.step(frame([]), at(120))
    assert seconds(closed.ended_at) == 100
    assert ledger.step(frame([]), at(200)) == []


def test_windows_given_out_do_not_change_any_more() -> None:
    ledger = told([*connects(20, 0, 1), row(100, "push", full=True)], 100)
    (before,) = found(ledger)

    ledger.step(frame([row(101, "ack", "web-1.shop", type="CDS")]), at(101))
    (after,) = found(ledger)

    assert before.reconciled == {}
    assert after.reconciled.keys() == {"web-1.shop"}


def test_a_snapshot_that_is_none_is_refused_and_changes_nothing() -> None:
    ledger = told(stories(), 1000)
    before = found(ledger)

    with pytest.raises(msgspec.DecodeError):
        ledger.restore(b"\x93\x01")

    assert found(ledger) == before


anything = st.builds(
    row,
    st.floats(-1e6, 1e5) | st.integers(0, 300).map(float),
    st.sampled_from([*CONTROL_KINDS, "unheard-of"]),
    st.none() | st.sampled_from([*names(4), "bare", ".", "a.", ".b", ""]),
    istiod=st.none() | st.sampled_from(["a", "b"]),
    version=st.none() | st.sampled_from(["1", "2"]),
    full=st.none() | st.booleans(),
    request=st.none() | st.booleans(),
    counter=st.none() | st.integers(0, 2**40),
    proxies=st.none() | st.integers(0, 2**40),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(anything, max_size=25), max_size=4), st.randoms(use_true_random=False))
def test_no_stream_of_events_breaks_the_ledger(
    batches: list[list[Row]], chance: random.Random
) -> None:
    ledger = Ledger(Settings())
    for number, rows in enumerate(batches):
        chance.shuffle(rows)
        ledger.step(pl.DataFrame(rows, schema=CONTROL, orient="row"), at(200 * number))

    for window in ledger.windows(at(-2e6)):
        assert window.ended_at is None or window.ended_at >= window.started_at
        assert window.expected >= 0
        assert window.failed >= 0
    for kind in get_args(WindowKind):
        assert 0 <= ledger.coverage(kind) <= 1
    again = Ledger(Settings())
    again.restore(ledger.snapshot())
    assert again.windows(at(-2e6)) == ledger.windows(at(-2e6))
