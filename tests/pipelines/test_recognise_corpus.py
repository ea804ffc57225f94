"""Real lines that people posted, with what a person reads off them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.explain import explain

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
NEVER_ACCESS = ("not-access-log", "ztunnel")


def _load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / name).read_text("utf-8").splitlines()]


ACCESS = _load("access-dev.jsonl")
ISTIOD = _load("istiod-dev.jsonl")


def _explain(raw: str) -> dict[str, Any]:
    answers = explain(raw.encode())
    assert len(answers) == 1
    assert json.loads(json.dumps(answers)) == answers
    return answers[0]


def _name(item: dict[str, Any]) -> str:
    return str(item["kind"])


@pytest.mark.parametrize("item", [i for i in ACCESS if i["kind"] not in NEVER_ACCESS], ids=_name)
def test_an_access_log_line_gives_exactly_its_expected_fields(item: dict[str, Any]) -> None:
    answer = _explain(item["raw"])
    expected = item["expect"] | (item.get("expect_extra") or {})
    assert answer["kind"] == "access"
    assert {name: answer["fields"].get(name, "absent") for name in expected} == expected


@pytest.mark.parametrize("item", [i for i in ACCESS if i["kind"] in NEVER_ACCESS], ids=_name)
def test_another_line_is_never_an_access_log_entry(item: dict[str, Any]) -> None:
    assert _explain(item["raw"])["kind"] != "access"


@pytest.mark.parametrize("item", ISTIOD, ids=_name)
def test_an_istiod_line_gives_exactly_its_expected_fields(item: dict[str, Any]) -> None:
    answer = _explain(item["raw"])
    assert answer["kind"] == "istiod"
    assert {name: answer["fields"].get(name) for name in item["expect"]} == item["expect"]


@pytest.mark.parametrize(
    "item", [i for i in ACCESS if str(i["kind"]).startswith("truncated")], ids=_name
)
def test_a_truncated_line_says_that_it_is_partial(item: dict[str, Any]) -> None:
    assert _explain(item["raw"])["partial"]
