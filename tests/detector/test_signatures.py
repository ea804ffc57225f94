from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.signatures import RECORDED, figures, page
from detector.attribution import explain
from detector.signatures import catalogue, match
from detector.types import Attribution, Incident
from tests.detector.attribution_scenes import Scene, recording
from tests.detector.signature_rows import MATCHING, OTHER, POD, Row


def named(rows: Sequence[Row]) -> list[object]:
    return [pytest.param(row, id=row.id) for row in rows]


@pytest.mark.parametrize("row", named(MATCHING))
def test_a_known_fault_is_recognised(row: Row) -> None:
    found = row.found()
    assert found is not None
    assert found.id == row.id
    assert found.advice


@pytest.mark.parametrize("row", named(OTHER))
def test_what_only_resembles_a_fault_is_not_taken_for_it(row: Row) -> None:
    found = row.found()
    assert found is None or found.id != row.id


def test_every_entry_has_an_example_and_a_counterexample() -> None:
    entries = sorted(fault.id for fault in catalogue())
    assert sorted(row.id for row in MATCHING) == entries
    assert sorted(row.id for row in OTHER) == entries


def test_the_catalogue_holds_faults_of_the_control_plane_and_confounders() -> None:
    confounders = [fault for fault in catalogue() if fault.confounder]
    assert len(catalogue()) - len(confounders) >= 36
    assert len(confounders) >= 20
    assert all(fault.cause in ("workload", "client") for fault in confounders)


@pytest.mark.parametrize("row", named([one for one in MATCHING if one.cause != "control-plane"]))
def test_a_confounder_never_names_a_fault_of_the_control_plane(row: Row) -> None:
    causes = {fault.id: fault.cause for fault in catalogue()}
    found = row.found()
    assert found is not None
    assert causes[found.id] != "control-plane"


@pytest.mark.parametrize(
    ("name", "expected"),
    list(RECORDED.items()),
)
def test_the_fault_of_a_recording_of_real_proxies_is_recognised(name: str, expected: str) -> None:
    case, _ = recording(name)
    case.incident.attribution = explain(case)
    found = match(case.incident, case.moments, case.windows)
    assert found is not None
    assert found.id == expected


def crashed() -> tuple[Incident, Scene]:
    scene = Scene()
    for at in np.linspace(0.0, 20.0, 30):
        scene.error(float(at), pod=POD, signal="UO")
    incident = scene.case().incident
    incident.attribution = Attribution("workload", None, 0.9, [], ["a doubt"])
    return incident, scene


def test_signals_alone_are_enough_when_no_single_errors_are_kept() -> None:
    incident, scene = crashed()
    found = match(incident, scene.case().moments.clear(), [])
    assert found is not None
    assert found.id == "circuit-breaker"


def test_an_unheard_of_signal_is_no_known_fault() -> None:
    assert Row("none", "XYZ", cause="workload").found() is None


def test_half_of_the_errors_must_fit() -> None:
    incident, scene = crashed()
    for at in np.linspace(0.0, 20.0, 60):
        scene.error(float(at), pod=POD, signal="XYZ")
    other = scene.case()
    other.incident.attribution = incident.attribution
    assert match(other.incident, other.moments, []) is None


def test_a_fault_of_each_proxy_needs_a_window_that_knows_proxies() -> None:
    row = Row("rollout-missing-cluster", "NC", details="cluster_not_found", window="upgrade")
    found = row.found()
    assert found is not None
    nobody = Row(
        row.id, row.signal, details=row.details, window=row.window, reconciled=False
    ).found()
    assert nobody is None or nobody.id != row.id


def test_the_page_of_known_faults_is_what_the_catalogue_gives() -> None:
    assert (Path(__file__).parents[2] / "docs" / "signatures.md").read_text() == page() + "\n"


def test_precision_and_recall_over_all_cases_hold_what_is_promised() -> None:
    got = figures()
    assert got.right >= len(catalogue())
    assert got.precision >= 0.95
    assert got.recall >= 0.95
