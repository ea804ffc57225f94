"""More lines that people posted: most were shortened, wrapped or distorted on their way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.explain import explain
from pipelines.schema import FIELDS

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
NEVER_ACCESS = ("not-access-log", "ztunnel")


def _load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / name).read_text("utf-8").splitlines()]


def _name(item: dict[str, Any]) -> str:
    return str(item["kind"])


def _explain(raw: str) -> dict[str, Any]:
    answers = explain(raw.encode())
    assert len(answers) == 1
    return answers[0]


ACCESS = _load("access-more.jsonl")
ISTIOD = _load("istiod-more.jsonl")


@pytest.mark.parametrize("item", [i for i in ACCESS if i["kind"] not in NEVER_ACCESS], ids=_name)
def test_a_posted_access_log_line_gives_what_a_person_reads_off_it_and_no_more(
    item: dict[str, Any],
) -> None:
    answer = _explain(item["raw"])
    assert answer["kind"] == "access"
    assert answer["format"] == item["format"]
    assert {name: answer["fields"][name] for name in FIELDS if name in answer["fields"]} == item[
        "expect"
    ]


@pytest.mark.parametrize(
    "item", [i for i in ACCESS if str(i["kind"]).startswith(("truncated", "mangled"))], ids=_name
)
def test_a_shortened_or_distorted_line_says_that_it_is_partial(item: dict[str, Any]) -> None:
    whole_inside = ("mangled-command", "mangled-stripped")  # the entry itself was left as printed
    assert _explain(item["raw"]).get("partial") or item["kind"] in whole_inside


@pytest.mark.parametrize("item", [i for i in ACCESS if i["kind"] in NEVER_ACCESS], ids=_name)
def test_a_posted_line_of_another_program_is_never_an_access_log_entry(
    item: dict[str, Any],
) -> None:
    assert _explain(item["raw"])["kind"] != "access"


@pytest.mark.parametrize("item", ISTIOD, ids=_name)
def test_a_posted_istiod_line_gives_what_a_person_reads_off_it(item: dict[str, Any]) -> None:
    answer = _explain(item["raw"])
    assert answer["kind"] == "istiod"
    assert {name: answer["fields"].get(name) for name in item["expect"]} == item["expect"]


def test_nested_objects_are_read_by_their_path_and_not_by_a_last_word_alone() -> None:
    entry = {
        "http": {"response": {"status_code": 503, "flags": "UH", "details": "no_healthy_upstream"}},
        "upstream": {"host": "10.1.1.1:80", "cluster": "outbound|80||a.b.svc.cluster.local"},
        "downstream": {"remote_address": "10.1.1.4:2", "local_address": "10.1.1.3:80"},
    }
    assert _explain(json.dumps(entry))["fields"] == {
        "response_code": 503,
        "response_flags": ["UH"],
        "response_code_details": "no_healthy_upstream",
        "upstream_host": "10.1.1.1:80",
        "upstream_cluster": "outbound|80||a.b.svc.cluster.local",
        "downstream_local_address": "10.1.1.3:80",
        "downstream_remote_address": "10.1.1.4:2",
    }


@pytest.mark.parametrize("between", ["", " ", "\\n", "\\\\n"])
def test_joined_objects_give_the_first_entry_and_never_a_mixture(between: str) -> None:
    other = '{"startTIME": "2020-03-19T14:15:10.161Z", "path": "/other"}'
    first = '{"response_code":"200","response_flags":"-","start_time":"2020-03-19T14:44:44.899Z"}'
    second = '{"response_code":"503","response_flags":"UC","path":"/second"}'
    answer = _explain(between.join((other, first, second)))
    assert answer["partial"]
    assert answer["fields"] == {
        "start_time": "2020-03-19T14:44:44.899Z",
        "response_code": 200,
        "response_flags": [],
    }
