from __future__ import annotations

import pytest

from detector.errors import PushwakeError
from detector.signatures.faults import CatalogueError, load
from detector.types import Signature

ENTRY = """
[[fault]]
id = "one"
title = "Something"
cause = "workload"
advice = "Do something."
references = ["owner/repository#1"]
signals = ["UC"]
"""


def test_a_sound_entry_is_read() -> None:
    (fault,) = load(ENTRY + 'versions = { before = "<1.7", after = ">=1.7,<1.8" }', "my.toml")
    assert fault.signature == Signature("one", "Something", "Do something.")
    assert fault.versions.after == ">=1.7,<1.8"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[fault]", "my.toml: this is not TOML"),
        ("", "my.toml: a catalogue file holds [[fault]] tables and nothing else"),
        ("fault = 3", "my.toml: a catalogue file holds [[fault]] tables"),
        ("fault = [3]", "my.toml: entry 1: Expected `object`, got `int`"),
        (ENTRY + "flags = []", "my.toml: entry 1 (one): Object contains unknown field `flags`"),
        (ENTRY.replace('title = "Something"', ""), "entry 1 (one): Object missing required field"),
        (ENTRY.replace('"UC"', "7"), "(one): Expected `str`, got `int` - at `$.signals[0]`"),
        (ENTRY.replace('["owner/repository#1"]', "[]"), "(one): Expected `array` of length"),
        (ENTRY.replace('"workload"', '"weather"'), "entry 1 (one): Invalid enum value 'weather'"),
        (ENTRY + 'windows = ["update"]', "entry 1 (one): Invalid enum value 'update'"),
        (ENTRY + 'details = "("', "entry 1 (one): regex error"),
        (ENTRY + 'versions = { after = "~1.7" }', "'~1.7' is no version constraint"),
        (ENTRY + 'versions = { after = ">9,~1.7" }', "'~1.7' is no version constraint"),
        (ENTRY.replace('signals = ["UC"]', ""), "an entry needs signals, codes or details"),
        (ENTRY + ENTRY, "my.toml: the id one is given twice"),
        (
            ENTRY.replace("workload", "control-plane") + "confounder = true",
            "a confounder cannot have the cause control-plane",
        ),
    ],
)  # fmt: skip
def test_a_damaged_catalogue_says_which_file_and_entry_and_why(text: str, told: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(text, "my.toml")
    assert told in str(caught.value)
    assert isinstance(caught.value, PushwakeError)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("constraint", "version", "fits"),
    [
        ("<1.7", "1.6.14", True),
        ("<1.7", "1.7.0", False),
        (">=1.7.5", "1.7.5-abcdef-Clean", True),
        (">=1.7.5", "1.7.4", False),
        (">=1.7, <1.7.5", "1.7.4", True),
        ("1.8", "1.8.6", True),
        ("1.8", "1.18.6", False),
        ("<=1.8", "1.8.6", True),
        (">1.8", "1.8.6", False),
        (">1.8", "v1.9", True),
        ("<1.7", None, False),
        ("<1.7", "latest", False),
        ("", None, True),
    ],
)
def test_version_constraints_read_as_people_write_them(
    constraint: str, version: str | None, fits: bool
) -> None:
    row = f'versions = {{ before = "{constraint}" }}'
    assert load(ENTRY + row, "my.toml")[0].versions.admit(version, None) is fits
