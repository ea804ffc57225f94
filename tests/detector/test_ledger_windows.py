"""What opens, keeps open and closes the windows that are not plain upgrades, pushes and storms."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.reconciliation import Ledger
from detector.settings import Settings
from detector.types import Window
from pipelines.events import control_event
from pipelines.formats import agent, envoy_log, istiod
from pipelines.identity import Identity
from tests.detector.test_ledger import Row, at, connects, found, frame, names, row, seconds, told

START = row(100, "control-plane-start", version="1.7.5")


def all_of(ledger: Ledger, kind: str) -> list[Window]:
    return [window for window in ledger.all_windows() if window.kind == kind]


def of_revision(revision: str, rows: list[Row]) -> list[Row]:
    return [one | {"revision": revision} for one in rows]


def test_proxies_that_come_to_another_revision_are_a_move_of_revision() -> None:
    rows = [
        *of_revision("stable", connects(20, 0, 1, "1.22.3")),
        row(500, "control-plane-start", version="1.23.0", revision="canary"),
        *of_revision("canary", connects(5, 900, 20, "1.23.0")),
    ]

    (window,) = all_of(told(rows, 1200), "revision")

    assert (window.from_version, window.to_version) == ("1.22.3", "1.23.0")
    assert window.revision == "canary"
    assert window.reason == "proxies move from revision stable to canary"
    assert (window.expected, len(window.reconciled)) == (20, 5)


def test_a_move_of_revision_needs_neither_versions_nor_a_start() -> None:
    rows = [
        *of_revision("stable", connects(20, 0, 1, None)),
        *of_revision("canary", connects(20, 900, 2, None)),
    ]

    (window,) = all_of(told(rows, 1200), "revision")

    assert (seconds(window.started_at), seconds(window.ended_at)) == (900, 938)


def test_a_rollout_that_is_stuck_stays_open_and_says_so() -> None:
    ledger = told([*connects(20, 0, 1), START, *connects(5, 101, 1, "1.7.5")], 5000)

    (window,) = all_of(ledger, "upgrade")

    assert window.ended_at is None
    assert seconds(window.stuck_since) == 105
    assert (window.expected, len(window.reconciled)) == (20, 5)


def test_what_is_stuck_counts_as_over_for_the_errors_of_later_hours() -> None:
    ledger = told([*connects(20, 0, 1), START, *connects(5, 101, 1, "1.7.5")], 9000)

    assert ledger.windows(at(3000)) == []
    assert ledger.coverage("upgrade") == pytest.approx(20 / 9000)


def test_a_stuck_rollout_goes_on_when_its_proxies_come_and_ends_with_the_last() -> None:
    rows = [*connects(20, 0, 1), START, *connects(5, 101, 1, "1.7.5")]
    ledger = told(rows, 1000)
    late = connects(20, 4000, 1, "1.7.5")[5:]

    ledger.step(frame(late[:1]), at(4010))
    (window,) = all_of(ledger, "upgrade")
    assert (window.ended_at, window.stuck_since) == (None, None)

    ledger.step(frame(late[1:]), at(4100))
    (window,) = all_of(ledger, "upgrade")
    assert seconds(window.ended_at) == 4019


def test_the_next_rollout_ends_the_one_that_is_stuck() -> None:
    rows = [
        *connects(20, 0, 1),
        START,
        *connects(5, 101, 1, "1.7.5"),
        row(3000, "control-plane-start", version="1.6.14"),
        *connects(5, 3001, 1, "1.6.14"),
    ]

    (stuck,) = all_of(told(rows, 4000), "upgrade")

    assert seconds(stuck.ended_at) == 105


def test_new_pods_that_come_all_the_time_do_not_keep_an_upgrade_open() -> None:
    scaled = [
        row(90 + 2 * n, "connect", f"api-7d9f8b6c5d-x{n:04d}.shop", version="1.7.5")
        for n in range(300)
    ]
    rows = [*connects(20, 0, 1), START, *connects(20, 101, 1, "1.7.5"), *scaled]

    (window,) = all_of(told(rows, 1000), "upgrade")

    assert seconds(window.ended_at) == pytest.approx(120, abs=10)
    assert len(window.reconciled) <= 30


def line(text: str, proxy: str | None = None) -> Row:
    """The event of a line of istiod, or of a proxy's agent or Envoy."""
    whole = f"2026-01-01T{text}"
    if proxy is None:
        fields, who, kind = istiod.read(whole), Identity(pod="istiod-a"), "istiod"
    else:
        pod, _, namespace = proxy.partition(".")
        fields, kind = envoy_log.read(whole), "envoy"
        who = Identity(pod=pod, namespace=namespace, container="istio-proxy")
    if fields is None:
        fields, kind = agent.read(whole), "agent"
    assert fields is not None
    event = control_event(fields, who, "istiod" if kind == "istiod" else "agent")
    if kind == "envoy":
        event = control_event(fields, who, "envoy")
    assert event is not None
    return event


ROOT = "\tinfo\tcache\tRoot cert has changed, start rotating root cert"


def test_istiod_taking_on_another_ca_is_a_rotation_until_the_proxies_have_its_root() -> None:
    rows = [
        *connects(10, 0, 1),
        line("00:10:00.000000Z\tinfo\tUpdate Istiod cacerts"),
        line(
            "00:10:00.200000Z\tinfo\tIstiod has detected the newly added intermediate CA and "
            "updated its key and certs accordingly"
        ),
        *(line(f"00:1{n % 10}:30.000000Z{ROOT}", name) for n, name in enumerate(names(10), 1)),
    ]

    (window,) = found(told(rows, 7200), "rotation")

    assert seconds(window.started_at) == 600
    assert (window.expected, len(window.reconciled)) == (10, 10)


def test_the_first_root_of_a_proxy_that_starts_is_no_rotation() -> None:
    starts = [
        event
        for n, name in enumerate(names(30))
        for event in (
            row(600 + n, "connect", name, source="agent-log"),
            line(f"00:10:{n:02d}.500000Z{ROOT}", name),
        )
    ]

    assert found(told(starts, 3600), "rotation") == []


def test_many_proxies_that_change_their_root_are_a_rotation_though_istiod_is_not_heard() -> None:
    rows = [
        *connects(10, 0, 1),
        *(line(f"00:20:{10 * n:02d}.000000Z{ROOT}", name) for n, name in enumerate(names(5))),
    ]

    (window,) = found(told(rows, 7200), "rotation")

    assert (seconds(window.started_at), len(window.reconciled)) == (1200, 5)


def pods(generation: str, start: float, step: float, version: str, count: int = 10) -> list[Row]:
    return [
        row(
            start + step * n,
            "proxy",
            f"app{n}-6b9f8c5d7-{generation}.shop",
            proxy_version=version,
            source="access-log",
        )
        for n in range(count)
    ]


def test_workloads_restarted_with_another_proxy_are_a_sidecar_rollout() -> None:
    rows = [*pods("x7k2p", 0, 1, "1.22.3"), *pods("q4w8z", 900, 20, "1.23.0")]

    (window,) = all_of(told(rows, 1100), "sidecar-rollout")

    assert (window.from_version, window.to_version) == ("1.22.3", "1.23.0")
    assert seconds(window.started_at) == 900
    assert len(window.reconciled) == 10


def test_a_rollout_of_sidecars_waits_for_old_pods_and_says_when_nothing_moves() -> None:
    rows = [*pods("x7k2p", 0, 1, "1.22.3"), *pods("q4w8z", 900, 20, "1.23.0", 4)]

    (window,) = all_of(told(rows, 4000), "sidecar-rollout")

    assert (window.ended_at, seconds(window.stuck_since)) == (None, 960)
    assert (window.expected, len(window.reconciled)) == (14, 4)


def test_a_mesh_whose_workloads_mix_versions_is_no_rollout() -> None:
    mixed = [
        row(
            n,
            "proxy",
            f"app{n % 10}-6b9f8c5d7-x7k{n:02d}.shop",
            proxy_version=("1.22.3", "1.23.0")[n % 2],
        )
        for n in range(40)
    ]

    assert all_of(told(mixed, 4000), "sidecar-rollout") == []


def test_a_push_names_the_kind_of_configuration_that_it_brings() -> None:
    rows = [
        *connects(5, 0, 1),
        row(100, "config-change", reason="VirtualService/shop/cart"),
        row(100.2, "push", full=True, proxies=5),
    ]

    (window,) = found(told(rows, 200), "push")

    assert window.configuration == "VirtualService"
    assert window.reason == "full push for VirtualService/shop/cart"


def closed(proxy: str, time: str) -> Row:
    text = "StreamAggregatedResources gRPC config stream closed: 13, "
    return line(f"{time}Z\twarning\tenvoy config\t{text}", proxy)


def test_streams_that_end_together_are_a_storm_where_nobody_else_tells() -> None:
    rows = [
        *(row(n, "proxy", name, source="access-log") for n, name in enumerate(names(11))),
        *(closed(name, f"00:10:{2 * n:02d}.000000") for n, name in enumerate(names(11))),
    ]

    (window,) = found(told(rows, 3600), "reconnect-storm")

    assert window.inferred
    assert seconds(window.started_at) == 600
    assert len(window.reconciled) == 11


def test_proxies_that_are_told_to_end_are_no_storm() -> None:
    ending = "\twarning\tenvoy main\tcaught ENVOY_SIGTERM"
    rows = [
        *(row(n, "proxy", name, source="access-log") for n, name in enumerate(names(11))),
        *(line(f"00:10:{n:02d}.000000Z{ending}", name) for n, name in enumerate(names(11))),
        *(closed(name, f"00:10:{n:02d}.500000") for n, name in enumerate(names(11))),
    ]

    assert found(told(rows, 3600)) == []


def test_all_of_it_goes_on_after_a_restart() -> None:
    rows = frame(
        [
            *pods("x7k2p", 0, 1, "1.22.3"),
            *of_revision("stable", connects(20, 0, 1, "1.22.3")),
            row(450, "rotation", reason="another CA"),
            *(row(460 + 9 * n, "rotation", name) for n, name in enumerate(names(9))),
            row(500, "control-plane-start", version="1.23.0", revision="canary"),
            *of_revision("canary", connects(5, 900, 20, "1.23.0")),
            *pods("q4w8z", 900, 20, "1.23.0", 6),
        ]
    )
    whole, ledger = Ledger(Settings()), Ledger(Settings())
    whole.step(rows, at(4000))
    for begin in range(0, 4000, 50):
        part = rows.filter((rows["time"] >= at(begin)) & (rows["time"] < at(begin + 50)))
        ledger.step(part, at(begin) + timedelta(seconds=50))
        again = Ledger(Settings())
        again.restore(ledger.snapshot())
        ledger = again

    assert {window.kind for window in whole.all_windows()} == {
        "rotation",
        "revision",
        "sidecar-rollout",
    }
    assert ledger.all_windows() == whole.all_windows()


def test_kubernetes_tells_of_an_upgrade_that_istiod_itself_does_not() -> None:
    rows = [
        *connects(20, 0, 1, None),
        row(99, "control-plane-start", istiod="istiod-b", version="1.23.0", source="kubernetes"),
        row(100, "control-plane-start", istiod="istiod-b", source="kubernetes"),
        row(101, "control-plane-stop", istiod="istiod-a", source="kubernetes"),
        *connects(20, 102, 0.2, None),
    ]

    (window,) = all_of(told(rows, 1000), "restart")

    assert (seconds(window.started_at), window.to_version) == (99, "1.23.0")
    assert len(window.reconciled) == 20


def test_what_happens_to_a_workload_is_kept_for_those_who_look_for_another_cause() -> None:
    def rollout(time: float, workload: str, reason: str) -> Row:
        return row(time, "workload-rollout", workload=workload, reason=reason, source="kubernetes")

    ledger = told(
        [
            rollout(100, "cart.shop", "ScalingReplicaSet: up"),
            rollout(130, "cart.shop", "Killing"),
            rollout(150, "web.shop", "BackOff"),
            rollout(3000, "cart.shop", "ScalingReplicaSet: down"),
        ],
        3100,
    )

    told_of = [
        (one.workload, seconds(one.started_at), one.events) for one in ledger.rollouts(at(0))
    ]
    assert told_of == [("cart.shop", 100, 2), ("web.shop", 150, 1), ("cart.shop", 3000, 1)]
    assert [one.workload for one in ledger.rollouts(at(200))] == ["cart.shop"]
    assert found(ledger) == []
