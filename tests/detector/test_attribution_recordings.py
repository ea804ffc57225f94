"""Attribution on what the detector saw of recordings of real proxies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from detector.attribution import explain
from tests.detector.attribution_scenes import recording, shifted

RECORDINGS = [
    "a_upgrade_nc",
    "a_upgrade_nr503",
    "b_tls_mismatch",
    "c_204_te",
    "d_backend_crash",
    "g_eds_drained",
]


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_cause_of_a_recording_of_real_proxies_is_found(name: str) -> None:
    case, cause = recording(name)
    found = explain(case)
    assert found.cause == cause
    assert found.confidence >= 0.9
    assert found.evidence
    assert found.against


@pytest.mark.parametrize("name", RECORDINGS)
def test_explaining_changes_nothing(name: str) -> None:
    case, _ = recording(name)
    before = case.moments.clone(), case.history.clone(), replace(case.incident)
    assert explain(case) == explain(case)
    assert case.moments.equals(before[0])
    assert case.history.equals(before[1])
    assert case.incident == before[2]


@pytest.mark.parametrize("offset", [-60.0, -30.0, -10.0])
def test_a_real_crash_inside_anothers_upgrade_stays_the_workloads(offset: float) -> None:
    crashed, _ = recording("d_backend_crash")
    upgraded, _ = recording("a_upgrade_nc")
    upgrade = upgraded.windows[0]
    apart = (crashed.incident.started_at - upgrade.started_at).total_seconds()
    moved = shifted(upgrade, apart + offset)
    assert moved.ended_at is not None
    assert moved.started_at < crashed.incident.started_at + timedelta(seconds=10)
    found = explain(replace(crashed, windows=[moved], coverage={"upgrade": 0.01}))
    assert found.cause == "workload"


@pytest.mark.parametrize("name", ["a_upgrade_nc", "c_204_te"])
def test_a_decoy_push_beside_a_real_upgrade_does_not_win(name: str) -> None:
    case, _ = recording(name)
    upgrade = case.windows[0]
    proxies = dict.fromkeys(upgrade.reconciled, upgrade.started_at - timedelta(seconds=1))
    decoy = replace(
        upgrade, id="decoy", kind="push", reconciled=proxies, ended_at=upgrade.started_at
    )
    assert explain(replace(case, windows=[decoy, upgrade])).window == upgrade


def test_the_order_of_rows_and_windows_does_not_matter() -> None:
    case, _ = recording("g_eds_drained")
    turned = replace(
        case, moments=case.moments.reverse(), windows=list(reversed(list(case.windows)))
    )
    assert explain(turned) == explain(case)
