"""The charts' script, which is made once and then kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import vl_convert

from detector.report.bundle import bundle

make = bundle.__wrapped__


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        vl_convert, "javascript_bundle", lambda entry: f"let vega = 1;\n// é\n{entry}"
    )
    return tmp_path


def test_a_script_that_was_made_is_not_made_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: pytest.fail("made again"))

    assert make() == made


@pytest.mark.parametrize("rest", [b"", b"let vega", b"\xff", b"let vega = 2;\n// 0"])
def test_a_kept_script_that_is_damaged_is_made_anew(cache: Path, rest: bytes) -> None:
    made = make()
    (kept,) = (cache / "pushwake").iterdir()
    kept.write_bytes(rest)

    assert make() == made
    assert kept.read_text("utf-8").startswith(made)


def test_without_a_place_to_keep_it_the_script_is_made_all_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))

    assert make().startswith("let vega")


def test_a_script_that_would_end_its_element_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: "'</SCRIPT>'")

    with pytest.raises(ValueError, match="inside a page"):
        make()
