from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from detector.reconciliation import Ledger
from detector.settings import Settings
from detector.types import Window
from pipelines.events import control_event
from pipelines.formats import istiod
from pipelines.identity import NOBODY
from pipelines.schema import CONTROL

RECORDINGS = Path(__file__).parent.parent / "data" / "recordings"
UPGRADES = ("a_upgrade_nc", "a_upgrade_nr503", "b_tls_mismatch", "c_204_te")
PUSHES = {"e_noop_push": 3, "g_eds_drained": 3, "h_client_4xx": 1, "l_clean": 3}
PROXIES = 11


def text_of(path: Path) -> str:
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file)
        return io.TextIOWrapper(reader, encoding="utf-8").read()


def events_in(log: str) -> pl.DataFrame:
    read = (istiod.read(line) for line in log.splitlines())
    rows = (control_event(fields, NOBODY, "istiod") for fields in read if fields is not None)
    told = [row for row in rows if row is not None]
    return pl.DataFrame(told, schema=CONTROL, orient="row").sort("time", maintain_order=True)


@cache
def recording(name: str) -> tuple[tuple[Window, ...], dict[str, Any]]:
    """The windows found in a recording's istiod log, and its truth."""
    events = events_in(text_of(RECORDINGS / name / "istiod.log.zst"))
    ledger = Ledger(Settings())
    end = events["time"].to_list()[-1] + timedelta(minutes=1)
    ledger.step(events, end)
    truth: dict[str, Any] = json.loads(text_of(RECORDINGS / name / "truth.json.zst"))
    return tuple(ledger.windows(events["time"].to_list()[0])), truth


def away(moment: datetime | None, seconds: float) -> float:
    assert moment is not None
    return abs((moment - datetime.fromtimestamp(seconds, tz=UTC)).total_seconds())


@pytest.mark.parametrize("name", UPGRADES)
def test_a_recorded_upgrade_is_one_window_from_its_start_to_its_last_proxy(name: str) -> None:
    windows, truth = recording(name)
    (fault,) = truth["faults"]
    last = max(pod.get("fault_end", pod["reconnected"]) for pod in fault["per_pod"].values())

    assert [window.kind for window in windows] == ["upgrade"]
    assert away(windows[0].started_at, fault["start"]) < 2
    assert away(windows[0].ended_at, last) < 2
    assert (windows[0].expected, len(windows[0].reconciled)) == (PROXIES, PROXIES)


@pytest.mark.parametrize("name", UPGRADES)
def test_each_proxys_own_reconnect_is_known_to_a_tenth_of_a_second(name: str) -> None:
    windows, truth = recording(name)
    when = {proxy.rpartition(".")[0]: time for proxy, time in windows[0].reconciled.items()}
    told = truth["faults"][0]["per_pod"]

    assert when.keys() == told.keys()
    assert max(away(when[pod], told[pod]["reconnected"]) for pod in told) < 0.1


@pytest.mark.parametrize("name", PUSHES)
def test_every_recorded_push_is_a_window_that_all_proxies_took_on(name: str) -> None:
    windows, truth = recording(name)
    pushes = [window for window in windows if window.kind == "push"]

    assert len(pushes) == PUSHES[name] == len(truth["pushes"])
    for window, push in zip(pushes, truth["pushes"], strict=True):
        assert away(window.started_at, push["t"]) < 2
        assert away(window.ended_at, push["t"]) < 10
        assert (window.expected, len(window.reconciled)) == (PROXIES, push["acked"])


def test_a_recorded_restart_is_no_upgrade() -> None:
    windows, truth = recording("e_noop_push")
    benign = next(event for event in truth["benign"] if event["id"] == "istiod restart")
    (restart,) = (window for window in windows if window.kind == "restart")

    assert away(restart.started_at, benign["start"]) < 2
    assert away(restart.ended_at, benign["end"]) < 10
    assert len(restart.reconciled) == PROXIES
    assert [window.kind for window in windows] == ["push", "push", "push", "restart"]


def test_a_crash_in_a_workload_shows_no_window_at_all() -> None:
    windows, truth = recording("d_backend_crash")

    assert truth["control_plane_related"] is False
    assert windows == ()


def test_the_reason_of_a_push_names_what_changed() -> None:
    windows, _ = recording("g_eds_drained")

    assert windows[1].reason == (
        "full push for ServiceEntry/default/cart.default.svc.cluster.local"
    )
