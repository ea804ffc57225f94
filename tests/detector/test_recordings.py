"""The main job on real traffic: each recording's fault found, its cause right, or silence."""

from __future__ import annotations

import pytest

from benchmarks.recordings import row
from detector.truth import read_truth, score
from tests.detector.conftest import RECORDINGS, Replayed, incidents_of

NAMES = sorted(folder.name for folder in RECORDINGS.iterdir() if folder.is_dir())
LOGS = ["log", "json"]


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_gives_its_fault_with_the_right_cause_or_silence(
    replayed: Replayed, name: str, log: str
) -> None:
    result = score(
        incidents_of(replayed(name, log)), read_truth(RECORDINGS / name / "truth.ndjson")
    )
    assert all(match.right for match in result.matches)
    assert not result.false


@pytest.mark.parametrize("name", NAMES)
def test_one_fault_is_one_incident(replayed: Replayed, name: str) -> None:
    assert len(incidents_of(replayed(name))) <= 1


@pytest.mark.no_cover
@pytest.mark.parametrize("name", NAMES)
def test_text_and_json_of_the_same_traffic_give_the_same_incidents(
    replayed: Replayed, name: str
) -> None:
    assert incidents_of(replayed(name, "log")) == incidents_of(replayed(name, "json"))


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_recording_is_understood(replayed: Replayed, name: str) -> None:
    for log in LOGS:
        outcome = replayed(name, log)
        assert outcome.rejects == {}
        assert outcome.worker.late == 0


@pytest.mark.parametrize("name", ["a_upgrade_nc", "g_eds_drained", "d_backend_crash"])
def test_without_control_plane_input_the_fault_is_found_all_the_same(
    replayed: Replayed, name: str
) -> None:
    outcome = replayed(name, control=False)
    found = incidents_of(outcome)
    result = score(found, read_truth(RECORDINGS / name / "truth.ndjson"))
    assert result.recall == 1.0
    known = {window.id: window for window in outcome.worker.windows}
    blamed = [one["attribution"]["window"] for one in found]
    assert all(known[window["id"]].inferred for window in blamed if window is not None)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_tells_what_is_found(replayed: Replayed, name: str) -> None:
    readme = (RECORDINGS.parents[2] / "README.md").read_text()
    assert row(RECORDINGS / name, replayed(name).worker.incidents) in readme
