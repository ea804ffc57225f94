from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from detector.cli import main
from detector.reconciliation import Ledger, LedgerRows, ProxyRow, stale
from detector.settings import Settings, StoreSettings
from detector.store import Step, Store
from detector.store.ledger_rows import read_istiods, read_proxies, read_proxy
from detector.store.reading import reading
from tests.detector.test_ledger import Row, at, connects, frame, names, row, told


def proxy_of(rows: list[Row], until: float) -> ProxyRow:
    (proxy,) = told(rows, until).take_rows().proxies
    return proxy


def logged(kind: str, time: float, **rest: object) -> Row:
    return row(time, kind, "web-1.shop", source="istiod-log", **rest)


def test_a_row_says_who_the_proxy_is_and_what_was_last_done_with_it_and_who_told() -> None:
    proxy = proxy_of(
        [
            row(
                0,
                "proxy",
                "web-1.shop",
                proxy_version="1.22.1",
                workload="web",
                source="access-log",
            ),
            row(5, "connect", "web-1.shop", node="n1", source="agent-log"),
            logged("connect", 5.1, istiod="istiod-a", version="1.22.3", revision="stable"),
            logged("push", 6, type="CDS"),
            logged("push", 7, type="LDS"),
            logged("ack", 8, type="CDS"),
            logged("nack", 9, type="LDS", error="bad filter"),
        ],
        60,
    )

    assert (proxy.pod, proxy.namespace, proxy.workload, proxy.node) == (
        "web-1",
        "shop",
        "web",
        "n1",
    )
    assert (proxy.istiod, proxy.version, proxy.revision) == ("istiod-a", "1.22.3", "stable")
    assert proxy.proxy_version == "1.22.1"
    assert proxy.connected_at == at(5)
    assert proxy.pushed == {"CDS": at(6), "LDS": at(7)}
    assert proxy.acked == {"CDS": at(8)}
    assert (proxy.nacked_at, proxy.error) == (at(9), "bad filter")
    assert proxy.told_by["push"] == "istiod-log"


def test_an_istiods_row_counts_its_proxies_and_its_pushes() -> None:
    rows = [
        row(0, "control-plane-start", istiod="a", version="1.22.3"),
        row(1, "control-plane-ready", istiod="a"),
        *(one | {"istiod": "a"} for one in connects(3, 2, 1)),
        row(9, "disconnect", "web-2.shop", istiod="a"),
        row(10, "push", istiod="a", full=True, counter=7),
    ]
    (istiod,) = told(rows, 60).take_rows().istiods

    assert (istiod.started_at, istiod.ready_at, istiod.pushed_at) == (at(0), at(1), at(10))
    assert (istiod.connected, istiod.pushes, istiod.counter) == (2, 1, 7)


def test_only_what_changed_is_told_and_endpoints_alone_once_a_minute() -> None:
    ledger = told(connects(3, 0, 1), 10)
    assert len(ledger.take_rows().proxies) == 3
    assert ledger.take_rows() == LedgerRows([], [], [], [], rollouts=[])

    def told_at(second: float, kind: str) -> list[str]:
        ledger.step(frame([row(second, "push", "web-1.shop", type=kind)]), at(second + 1))
        return [proxy.name for proxy in ledger.take_rows().proxies]

    assert told_at(20, "EDS") == []
    assert told_at(30, "CDS") == ["web-1.shop"]
    assert told_at(40, "EDS") == []
    assert told_at(75, "EDS") == ["web-1.shop"]


def test_a_proxy_that_is_forgotten_leaves_its_row() -> None:
    ledger = told([row(0, "connect", "web-1.shop"), row(9, "disconnect", "web-1.shop")], 20)
    ledger.take_rows()

    ledger.step(frame([]), at(4 * 3600))

    assert ledger.take_rows().gone == ["web-1.shop"]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([logged("push", 10, type="CDS"), logged("ack", 11, type="CDS")], None),
        ([logged("push", 10, type="CDS")], None),  # this source tells of no acks at all
        ([logged("nack", 10, type="LDS", error="bad")], "refused configuration: bad"),
        ([logged("nack", 10, type="LDS"), logged("ack", 12, type="LDS")], None),
        (
            [
                *(logged(kind, 10, type="CDS") for kind in ("push", "ack")),
                logged("push", 20, type="CDS"),
            ],
            "does not answer CDS",
        ),
    ],
)  # fmt: skip
def test_a_stale_proxy_is_told_with_its_reason(events: list[Row], why: str | None) -> None:
    found = stale(proxy_of([logged("connect", 0), *events], 60), at(120))

    assert (found and found.why) == why


def test_a_proxy_that_serves_on_without_a_control_plane_is_stale_since_it_lost_it() -> None:
    ledger = told([logged("connect", 0), logged("disconnect", 100)], 110)
    ledger.hear("web-1.shop", at(130), None)
    (proxy,) = ledger.take_rows().proxies
    assert stale(proxy, at(130)) is None

    ledger.hear("web-1.shop", at(500), None)
    ledger.step(frame([]), at(500))
    (proxy,) = ledger.take_rows().proxies

    found = stale(proxy, at(500))
    assert found is not None
    assert (found.since, found.why) == (at(100), "serves without a control plane")


def filled(path: Path) -> str:
    """The store of a mesh halfway through an upgrade."""
    url = f"sqlite:///{path}"
    rows = [
        row(0, "control-plane-start", istiod="istiod-a", version="1.22.3"),
        *(one | {"istiod": "istiod-a", "version": "1.22.3"} for one in connects(8, 1, 1)),
        row(100, "control-plane-start", istiod="istiod-b", version="1.23.0"),
        *(one | {"istiod": "istiod-b", "version": "1.23.0"} for one in connects(5, 101, 1)),
        row(110, "nack", "web-2.shop", type="LDS", error="bad filter"),
    ]
    with Store.open(url) as store:
        store.commit(Step(ledger=told(rows, 120).take_rows(), time=at(120)))
    return url


def test_the_rows_in_the_store_are_the_same_after_a_restart_in_the_middle(tmp_path: Path) -> None:
    def run(path: Path, *, restart: bool) -> tuple[object, object]:
        url = f"sqlite:///{path}"
        ledger = Ledger(Settings())
        with Store.open(url) as store:
            for start in range(0, 300, 30):
                rows = connects(20, start, 1.5, f"1.2{start // 100}.0")
                ledger.step(frame(rows), at(start + 30))
                store.commit(Step(ledger=ledger.take_rows(), time=at(start + 30)))
                if restart:
                    again = Ledger(Settings())
                    again.restore(ledger.snapshot())
                    ledger = again
        with reading(StoreSettings(url=url)) as connection:
            return read_proxies(connection), read_istiods(connection)

    whole = run(tmp_path / "whole.db", restart=False)
    assert run(tmp_path / "cut.db", restart=True) == whole
    assert len(str(whole)) > 1000


def test_proxies_are_found_by_what_people_know_of_them(tmp_path: Path) -> None:
    with reading(StoreSettings(url=filled(tmp_path / "a.db"))) as connection:
        assert len(read_proxies(connection)) == 8
        assert len(read_proxies(connection, version="1.22.3")) == 3
        assert len(read_proxies(connection, istiod="istiod-b")) == 5
        assert [one.name for one in read_proxies(connection, search="web-7")] == ["web-7.shop"]
        assert read_proxies(connection, search="100%") == []
        page = read_proxies(connection, after="web-3.shop", limit=2)
        assert [one.name for one in page] == ["web-4.shop", "web-5.shop"]
        proxy = read_proxy(connection, "web-2.shop")
        assert proxy is not None
        assert proxy.error == "bad filter"
        assert read_proxy(connection, "nobody") is None


def test_the_command_tells_who_is_left_behind_and_who_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = filled(tmp_path / "a.db")

    assert main(["proxies", "--store", url]) == 0
    shown = capsys.readouterr().out
    assert "8 proxies: 5 on 1.23.0, 3 on 1.22.3, 1 stale" in shown
    assert "the newest control plane is 1.23.0" in shown

    assert main(["proxies", "--store", url, "--old", "--json"]) == 0
    left = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in left] == names(8)[5:]

    assert main(["proxies", "--store", url, "--stale", "--json"]) == 0
    (one,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert one["name"] == "web-2.shop"
    assert one["stale"]["why"] == "refused configuration: bad filter"


def test_reading_beside_the_writer_neither_waits_for_it_nor_takes_its_lease(tmp_path: Path) -> None:
    url = filled(tmp_path / "a.db")
    with Store.open(url) as store, reading(StoreSettings(url=url)) as connection:
        store.commit(Step(time=at(200)))
        assert len(read_proxies(connection)) == 8


def test_a_store_that_is_not_there_is_said_so_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.db"

    assert main(["proxies", "--store", f"sqlite:///{path}"]) == 4
    assert "there is no store" in capsys.readouterr().err
    assert not path.exists()


def test_a_proxy_heard_for_a_day_is_kept_though_nothing_else_is_told_of_it() -> None:
    ledger = told([row(0, "proxy", "web-1.shop", proxy_version="1.22.1")], 10)
    for hour in range(1, 30):
        ledger.hear("web-1.shop", at(hour * 3600), None)
        ledger.step(frame([]), at(hour * 3600))
    assert "web-1.shop" in ledger.proxies

    ledger.step(frame([]), at(29 * 3600) + timedelta(hours=3))
    assert "web-1.shop" not in ledger.proxies


def told_twice(distance: float, count: int = 8) -> list[Row]:
    return [
        one
        for n, name in enumerate(names(count))
        for one in (
            row(100 + 10 * n, "connect", name, istiod="istiod-a", source="istiod-log"),
            row(100 + 10 * n + distance, "connect", name, source="agent-log"),
        )
    ]


@pytest.mark.parametrize(
    ("distance", "skew"), [(0.2, None), (-0.3, None), (7.0, 7.0), (-30.0, -30.0)]
)
def test_clocks_that_disagree_are_noticed(distance: float, skew: float | None) -> None:
    (istiod,) = told(told_twice(distance), 400).take_rows().istiods

    assert istiod.skew_s == skew


def test_a_few_connections_told_late_are_no_disagreement() -> None:
    rows = [*told_twice(0.1), *told_twice(20.0, 2)]
    (istiod,) = told(rows, 400).take_rows().istiods

    assert istiod.skew_s is None


def test_the_command_says_that_clocks_disagree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with Store.open(url) as store:
        store.commit(Step(ledger=told(told_twice(-7.0), 400).take_rows(), time=at(400)))

    assert main(["proxies", "--store", url]) == 0
    shown = capsys.readouterr().out
    assert "Clocks disagree: the agents' are 7 s behind istiod-a's." in shown


def test_a_rollout_is_told_again_when_more_is_heard_of_it_and_keeps_its_id() -> None:
    ledger = told([row(10, "workload-rollout", workload="cart.shop", reason="scaled up")], 20)
    (first,) = ledger.take_rows().rollouts
    assert ledger.take_rows().rollouts == []
    ledger.step(frame([row(30, "workload-rollout", workload="cart.shop")]), at(40))
    (again,) = ledger.take_rows().rollouts

    assert (first.events, first.latest, first.reason) == (1, at(10), "scaled up")
    assert (again.id, again.events, again.latest) == (first.id, 2, at(30))
