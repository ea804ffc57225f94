"""What is not logged: silent services, lost logs, filters, from counts to incidents."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from detector.engine.series import SILENT, Edge
from detector.report.wording import tell
from detector.settings import Settings
from detector.worker import Worker
from tests.detector.test_single_cases import HOUR, START, STEP, Row, frame

pytestmark = pytest.mark.no_cover

WEB = "web-v1.shop"
SERVICES = ("cart", "bank", "mail", "tax")


def host(service: str) -> str:
    return f"{service}.shop.svc.cluster.local"


def edges() -> list[tuple[str, str, str]]:
    """The gateway calls web, and web calls the others."""
    return [
        ("source", "gateway-v1.edge", host("web")),
        ("source", "gateway-v1.edge", host("shop")),
        *(("source", WEB, host(name)) for name in SERVICES),
    ]


def mesh(buckets: range, habit: float = 0.01, seed: int = 1) -> list[Row]:
    """Each edge has 20 requests a second, of which a share fails habitually."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for n in buckets:
        for edge in edges():
            failed = int(rng.poisson(200 * habit))
            rows += [(n, edge, None, 200, "-", int(rng.poisson(200)))]
            rows += [(n, edge, None, 500, "-", failed)]
    return rows


def worked(rows: list[Row]) -> Worker:
    worker = Worker(Settings())
    worker.add_rollup(frame(rows))
    worker.finish()
    return worker


def at(bucket: int) -> datetime:
    return START + bucket * STEP


def test_a_service_that_falls_silent_while_its_neighbours_go_on_is_an_incident() -> None:
    fallen, back = 4 * HOUR, 4 * HOUR + 90
    rows = [
        r for r in mesh(range(5 * HOUR)) if r[1][2] != host("cart") or not fallen <= r[0] < back
    ]
    (incident,) = worked(rows).incidents
    assert incident.series == [("source", "*", host("cart"), SILENT)]
    assert incident.started_at == at(fallen)
    assert incident.detected_at - at(fallen) <= timedelta(seconds=90)
    assert incident.ended_at == at(back)
    assert 0.8 * 90 * 200 < incident.errors < 1.2 * 90 * 200
    assert incident.attribution.cause == "unknown"
    assert "requests are missing" in tell(incident)


def test_a_service_that_is_gone_for_good_is_told_once() -> None:
    gone = 4 * HOUR
    rows = [r for r in mesh(range(6 * HOUR)) if r[1][2] != host("cart") or r[0] < gone]
    (incident,) = worked(rows).incidents
    assert incident.status == "resolved"


def test_a_job_that_is_quiet_now_and_then_may_fall_silent() -> None:
    rows = [r for r in mesh(range(8 * HOUR)) if r[1][2] != host("tax") or r[0] % HOUR > 60]
    assert not worked(rows).incidents


def test_logs_that_stop_altogether_are_no_incident() -> None:
    lost = range(4 * HOUR, 4 * HOUR + 60)
    assert not worked([r for r in mesh(range(5 * HOUR)) if r[0] not in lost]).incidents


def test_edges_that_fall_silent_together_have_lost_their_logs() -> None:
    lost, hosts = range(4 * HOUR, 4 * HOUR + 90), {host("cart"), host("shop"), host("web")}
    rows = [r for r in mesh(range(5 * HOUR)) if r[0] not in lost or r[1][2] not in hosts]
    assert not worked(rows).incidents


def test_callers_that_are_heard_nowhere_else_may_have_lost_their_logs() -> None:
    lost = range(4 * HOUR, 4 * HOUR + 90)
    rows = [r for r in mesh(range(5 * HOUR)) if r[0] not in lost or r[1][1] != WEB]
    assert not worked(rows).incidents


def test_a_filter_that_drops_successes_raises_no_alarm_and_is_told() -> None:
    since = 3 * HOUR
    rows = [r for r in mesh(range(6 * HOUR)) if r[0] < since or r[3] != 200]
    worker = worked(rows)
    assert not worker.incidents
    assert worker.engine.counted == sorted(Edge(*edge) for edge in edges())


def test_a_cut_in_the_sampling_of_successes_raises_no_alarm() -> None:
    since = 3 * HOUR
    rows = [
        (*row[:5], row[5] // 20) if row[0] >= since and row[3] == 200 else row
        for row in mesh(range(6 * HOUR))
    ]
    worker = worked(rows)
    assert not worker.incidents
    assert len(worker.engine.counted) == len(edges())


def test_a_fault_behind_such_a_filter_is_found() -> None:
    since, fault = 3 * HOUR, range(5 * HOUR, 5 * HOUR + 12)
    rows = [r for r in mesh(range(6 * HOUR)) if r[0] < since or r[3] != 200]
    rows += [(n, edges()[2], None, 503, "UF", 60) for n in fault]
    rows += [(n, edges()[3], None, 500, "-", 60) for n in fault]
    found = worked(rows).incidents
    assert {series.destination for one in found for series in one.series if one.errors > 100} == {
        host("cart"),
        host("bank"),
    }


def test_counting_ends_when_successes_are_logged_again() -> None:
    since, back = 3 * HOUR, 4 * HOUR
    rows = [r for r in mesh(range(5 * HOUR)) if not since <= r[0] < back or r[3] != 200]
    worker = worked(rows)
    assert not worker.incidents
    assert not worker.engine.counted


def test_traffic_that_falls_with_its_errors_is_believed_to_have_fallen() -> None:
    rng, since = np.random.default_rng(2), 3 * HOUR
    rows = mesh(range(since))
    for n in range(since, 6 * HOUR):
        for edge in edges():
            rows += [
                (n, edge, None, 200, "-", 20),
                (n, edge, None, 500, "-", int(rng.poisson(0.2))),
            ]
    worker = worked(rows)
    assert not worker.incidents
    assert not worker.engine.counted
