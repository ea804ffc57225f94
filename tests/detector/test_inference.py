"""Windows where nobody tells of the control plane: from recordings, and from scenes made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from detector.reconciliation import Inference
from detector.replaying import Inputs, replay
from detector.settings import Settings
from detector.truth import read_truth
from detector.types import Window
from pipelines.schema import MOMENTS
from tests.detector.conftest import RECORDINGS

pytestmark = pytest.mark.no_cover

UPGRADES = ("a_upgrade_nc", "a_upgrade_nr503", "b_tls_mismatch", "c_204_te")
QUIET = ("d_backend_crash", "g_eds_drained", "h_client_4xx", "l_clean")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def inferred(name: str, *, proxies: bool, folder: Path = RECORDINGS) -> list[Window]:
    """The windows found with the access log alone, or with the proxies' own lines among it."""
    files = [folder / name / "access.log.zst"]
    files += [folder / name / "proxy.log.zst"] if proxies else []
    worker = replay(Inputs(access=list(map(str, files))), Settings(), lambda _: None).worker
    assert all(window.inferred for window in worker.windows)
    return worker.windows


def late(windows: list[Window], name: str) -> float:
    (label,) = read_truth(RECORDINGS / name / "truth.ndjson")
    return min(abs((one.started_at - label.start).total_seconds()) for one in windows)


@pytest.mark.parametrize("proxies", [False, True])
def test_recorded_upgrades_are_inferred_and_their_start_is_near(proxies: bool) -> None:
    found = {name: inferred(name, proxies=proxies) for name in UPGRADES}

    assert [len(windows) for windows in found.values()] == [1, 1, 1, 1]
    errors = [late(windows, name) for name, windows in found.items()]
    assert np.quantile(errors, 0.9) <= (1.0 if proxies else 15.0)


@pytest.mark.parametrize("proxies", [False, True])
@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_inferred_where_no_proxy_was_moved(name: str, proxies: bool) -> None:
    assert inferred(name, proxies=proxies) == []


def test_a_restart_without_effect_is_inferred_from_the_proxies_lines_alone() -> None:
    assert inferred("e_noop_push", proxies=False) == []
    (window,) = inferred("e_noop_push", proxies=True)
    assert (window.kind, len(window.reconciled)) == ("reconnect-storm", 11)


def moment(
    at: float, source: str, destination: str, signal: str, details: str = ""
) -> list[object]:
    return [
        BEGIN + timedelta(seconds=at), "source", source, f"{source}-0", destination, None,
        signal, 503, signal, details, 1,
    ]  # fmt: skip


def seen(rows: list[list[object]], until: float = 400.0, restart: bool = False) -> list[Window]:
    frame = pl.DataFrame(rows, schema=MOMENTS, orient="row").sort("time")
    inference = Inference()
    for start in range(0, int(until), 10):
        begin, end = BEGIN + timedelta(seconds=start), BEGIN + timedelta(seconds=start + 10)
        inference.step(frame.filter((pl.col("time") >= begin) & (pl.col("time") < end)), end)
        if restart:
            again = Inference()
            again.restore(inference.snapshot())
            inference = again
    return inference.windows([])


UNRELATED = [moment(100 + n, f"web{n}.shop", f"svc{n}", "NC") for n in range(4)]


def test_unrelated_services_that_begin_to_fail_at_once_are_a_window() -> None:
    (window,) = seen(UNRELATED)

    assert window.inferred
    assert window.started_at == BEGIN + timedelta(seconds=100)
    assert window.ended_at == BEGIN + timedelta(seconds=103)
    assert seen(UNRELATED, restart=True) == [window]


@pytest.mark.parametrize(
    "rows",
    [
        [moment(100 + n, f"web{n}.shop", "cart", "UH") for n in range(9)],  # one service is down
        [moment(100 + n, "web.shop", f"svc{n}", "NC") for n in range(9)],  # one caller is wrong
        [moment(100 + n, f"web{n}.shop", f"svc{n}", "UC") for n in range(9)],  # a common fault
        [moment(50 + 95 * n, f"web{n}.shop", f"svc{n}", "UH") for n in range(4)],  # one by one
        [moment(5 + n, f"web{n}.shop", f"svc{n}", "NC") for n in range(4)],  # perhaps for long
        [
            moment(at, f"web{n}.shop", f"svc{n}", "NC")  # they always did
            for n in range(4)
            for at in range(5, 300, 20)
        ],
    ],
    ids=["service", "caller", "ordinary", "slowly", "cold", "usual"],
)
def test_what_has_another_reason_is_none(rows: list[list[object]]) -> None:
    assert seen(rows) == []


def test_a_failed_connection_counts_when_it_is_certificates_that_fail() -> None:
    def failing(details: str) -> list[list[object]]:
        return [moment(100 + n, f"web{n}.shop", f"svc{n}", "UF", details) for n in range(4)]

    assert seen(failing("delayed_connect_error:_111")) == []
    assert len(seen(failing("TLS_error:_Secret_is_not_supplied_by_SDS"))) == 1


def test_a_window_that_is_told_makes_the_inferred_one_superfluous() -> None:
    inference = Inference()
    inference.step(pl.DataFrame(schema=MOMENTS), BEGIN)
    frame = pl.DataFrame(UNRELATED, schema=MOMENTS, orient="row")
    inference.step(frame, BEGIN + timedelta(seconds=110))
    (own,) = inference.windows([])

    assert inference.windows([own]) == []
