"""Every format that is listed reads its own example."""

from __future__ import annotations

import pytest

from pipelines.explain import explain
from pipelines.formats.catalogue import FORMATS, Format


@pytest.mark.parametrize("listed", FORMATS, ids=[one.name for one in FORMATS])
def test_the_sample_of_a_format_is_read_as_that_format(listed: Format) -> None:
    (answer,) = explain(listed.sample.encode())
    assert answer["format"] == listed.name
    assert answer["reason"] is None
    assert "partial" not in answer


def test_names_are_listed_once() -> None:
    names = [listed.name for listed in FORMATS]
    assert len(names) == len(set(names))
