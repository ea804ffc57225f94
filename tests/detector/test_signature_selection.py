"""The user's own faults, faults that are off, and what the command tells of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from detector.cli import main
from detector.errors import SettingsError
from detector.settings import SignatureSettings
from detector.signatures import catalogue, match, selected
from detector.signatures.faults import CatalogueError
from detector.store import Step, Store
from detector.types import Signature
from tests.detector.signature_rows import Row
from tests.detector.test_faults import ENTRY
from tests.detector.test_store import incident

OWN = ENTRY.replace('id = "one"', 'id = "ours"').replace('["UC"]', '["XYZ"]')


def folder_with(folder: Path, **files: str) -> SignatureSettings:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return SignatureSettings(folder=str(folder))


def test_a_users_own_fault_is_found_like_one_of_ours(tmp_path: Path) -> None:
    faults = selected(folder_with(tmp_path, mine=OWN))
    scene = Row("ours", "XYZ", cause="workload")

    assert scene.found() is None
    found = match(*scene.case(), faults)
    assert found is not None
    assert found.id == "ours"


def test_a_users_entry_takes_the_place_of_ours_with_the_same_id(tmp_path: Path) -> None:
    own = OWN.replace("ours", "circuit-breaker").replace("XYZ", "UO")
    faults = selected(folder_with(tmp_path, mine=own))

    assert len(faults) == len(catalogue())
    (fault,) = [one for one in faults if one.id == "circuit-breaker"]
    assert fault.title == "Something"


def test_a_fault_that_is_off_is_not_found() -> None:
    scene = Row("circuit-breaker", "UO", cause="workload")
    faults = selected(SignatureSettings(off=("circuit-breaker",)))

    assert scene.found() is not None
    assert match(*scene.case(), faults) is None


def test_an_unknown_id_that_is_to_be_off_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="Did you mean circuit-breaker"):
        selected(SignatureSettings(off=("circuit-braker",)))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"mine": "["}, "mine.toml: this is not TOML"),
        ({"a": OWN, "b": OWN}, "the id ours is given twice"),
    ],
)
def test_a_damaged_folder_says_where(tmp_path: Path, files: dict[str, str], told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        selected(folder_with(tmp_path, **files))


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="there is no such folder"):
        selected(SignatureSettings(folder=str(tmp_path / "none")))


def test_a_file_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="cannot be read"):
        selected(SignatureSettings(folder=str(tmp_path)))


def test_the_command_lists_faults_and_counts_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    url = f"sqlite:///{tmp_path / 'a.db'}"
    known = Signature("circuit-breaker", "Open", "Tune it.")
    seen = [replace(incident(f"i{n}"), signature=known) for n in range(3)]
    seen[2].detected_at += timedelta(days=2)
    with Store.open(url) as store:
        store.commit(Step(incidents=[*seen, incident("other")]))

    assert main(["signatures", "--store", url]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "circuit-breaker" in one]
    assert line.split()[-2:] == ["3", f"{seen[2].detected_at:%Y-%m-%d}"]

    assert main(["signatures", "circuit-breaker", "--store", url]) == 0
    told = capsys.readouterr().out
    assert "found: 3 times" in told
    assert "istio/istio#19454" in told

    assert main(["signatures", "circut-breaker"]) == 2
    assert "Did you mean circuit-breaker?" in capsys.readouterr().err
