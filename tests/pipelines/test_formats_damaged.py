"""Lines that were cut or distorted: only what is certain, never a wrong value, never an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.explain import explain

CORPUS = Path(__file__).parents[1] / "data" / "corpus" / "access-dev.jsonl"
LINE = (
    '[2022-02-01T10:00:00.310Z] "GET /a?x=1&y=2 HTTP/1.1" 503 UC '
    'upstream_reset_before_response_started{connection_termination} - "-" 0 95 4 - '
    '"10.0.0.1,10.0.0.2" "Mozilla/5.0 (X; Y) Z" "d9b68dca-5761-48aa-aff1-dfc8d170b5e1" "orders" '
    '"10.4.1.9:8080" outbound|80||orders.shop.svc.cluster.local 10.4.2.7:5000 10.0.9.3:80 '
    "10.4.2.7:41514 - default"
)


def _only(text: str) -> dict[str, Any]:
    (answer,) = explain(text.encode())
    return answer


def _whole_lines() -> list[tuple[str, dict[str, Any]]]:
    whole = []
    for item in map(json.loads, CORPUS.read_text("utf-8").splitlines()):
        answers = explain(item["raw"].encode())
        if answers[0]["kind"] == "access" and "partial" not in answers[0]:
            whole.append((item["raw"], answers[0]["fields"]))
    return whole


WHOLE = _whole_lines()
FULL = _only(LINE)["fields"]


def _last_word(text: str) -> str:
    return text.rstrip().rpartition(" ")[2]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_cut_line_gives_no_value_that_the_whole_line_does_not_give(data: st.DataObject) -> None:
    raw, fields = data.draw(st.sampled_from(WHOLE))
    start = data.draw(st.one_of(st.just(0), st.integers(0, len(raw))))
    end = data.draw(st.one_of(st.just(len(raw)), st.integers(start, len(raw))))
    piece = raw[start:end]
    for answer in explain(piece.encode()):
        if answer["kind"] != "access":
            continue
        for name, value in answer["fields"].items():
            # Nobody can see that the last word of a layout that is otherwise complete was cut.
            cut_at_last = end < len(raw) and value == _last_word(piece)
            if not (name in ("requested_server_name", "route_name") and cut_at_last):
                assert value == fields.get(name, "absent"), name


def test_every_cut_of_a_line_after_its_status_keeps_code_and_flags() -> None:
    for end in range(LINE.index(" upstream_reset") + 1, len(LINE)):
        fields = _only(LINE[:end])["fields"]
        assert (fields["response_code"], fields["response_flags"]) == (503, ["UC"]), LINE[:end]
        assert (fields["method"], fields["path"]) == ("GET", "/a?x=1&y=2")


def test_a_line_that_lost_its_time_and_its_end_is_partial() -> None:
    answer = _only(LINE[LINE.index('"GET') : LINE.index("10.4.2.7:5000")])
    assert answer["partial"]
    assert answer["fields"]["upstream_cluster"] == "outbound|80||orders.shop.svc.cluster.local"
    assert "start_time" not in answer["fields"]
    assert "upstream_local_address" not in answer["fields"]


def test_a_line_of_which_only_the_end_is_left_is_read_from_the_right() -> None:
    answer = _only(LINE[LINE.index("illa/5.0") :])
    assert answer["partial"]
    assert answer["fields"]["authority"] == "orders"
    assert answer["fields"]["route_name"] == "default"
    assert "response_code" not in answer["fields"]
    assert "user_agent" not in answer["fields"]


def _csv(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace(">", "&gt;")


def _hard_wrapped(text: str) -> str:
    return "\n".join(text[at : at + 80] for at in range(0, len(text), 80))


def _mailed(text: str) -> str:
    return "> " + text.replace(" - ", "\n> - ")


DISTORTIONS: dict[str, Callable[[str], str]] = {
    "bold status": lambda text: text.replace("503 UC", "**503 UC**"),
    "bold cluster": lambda text: text.replace("outbound|80|", "**outbound**|80|"),
    "escaped pipes": lambda text: text.replace("|", "\\|"),
    "backticks": lambda text: f"`{text}`",
    "HTML tags": lambda text: text.replace("503 UC", "<b>503 UC</b>"),
    "HTML entities": _entities,
    "inside a JSON string": lambda text: json.dumps(text)[1:-1],
    "inside a cut envelope": lambda text: '"log":' + json.dumps(f"{text}\n") + ',"stream":"std',
    "CSV": _csv,
    "wrapped by a mail client": _mailed,
    "wrapped at a column": _hard_wrapped,
    "curly quotes": lambda text: text.replace('"GET', "“GET").replace('1.1"', "1.1”"),
    "doubled spaces": lambda text: text.replace(" 503 UC ", "  503  UC "),
    "hard spaces": lambda text: text.replace(" ", "\u00a0"),
    "lost bracket": lambda text: text[1:],
    "dashes in the time": lambda text: text.replace("2022-02-01", "2022–02–01"),
    "em dashes for nulls": lambda text: text.replace(" - ", " — "),
}


@pytest.mark.parametrize("distort", DISTORTIONS.values(), ids=DISTORTIONS.keys())
def test_a_distorted_line_gives_its_fields_and_says_partial(
    distort: Callable[[str], str],
) -> None:
    answer = _only(distort(LINE))
    assert answer["kind"] == "access"
    assert answer["partial"]
    assert answer["fields"] == FULL


@pytest.mark.parametrize(
    "prefix",
    [
        "  ",
        "# ",
        "- ",
        "1. ",
        "\ufeff",
        "ACCESS ",
        "envoy       | ",
        "istio-proxy ",
        "[pod/orders-v1-6d5f/istio-proxy] ",
        "2022-02-01T10:00:00.320Z stdout F ",
        "2022-02-01T10:00:00.320123456Z ",
        "Feb  1 10:00:00 node-7 istio-proxy[1]: ",
        "<134>1 2022-02-01T10:00:00Z host app 1 - - ",
    ],
)
def test_whatever_a_viewer_prints_before_a_line_changes_no_field(prefix: str) -> None:
    answer = _only(f"{prefix}{LINE}  \r")
    assert answer["fields"] == FULL
    assert "partial" not in answer


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("Mozilla/5.0 (X; Y) Z", "Mozilla/5.0 ...", "user_agent"),
        ("/a?x=1&y=2", "/a...", "path"),
        ("d9b68dca-5761-48aa-aff1-dfc8d170b5e1", "d9b6...", "request_id"),
        ("{connection_termination}", "…", "response_code_details"),
    ],
)
def test_a_value_that_a_person_shortened_is_left_out(old: str, new: str, lost: str) -> None:
    answer = _only(LINE.replace(old, new))
    assert answer["partial"]
    assert answer["fields"] == {name: value for name, value in FULL.items() if name != lost}


@pytest.mark.parametrize("mark", ["... ", "… ", "[...] ", "", '"'])
def test_a_line_whose_start_a_person_left_out_is_read_from_its_request(mark: str) -> None:
    rest = LINE[LINE.index("GET") :] if mark == '"' else LINE[LINE.index('"GET') :]
    answer = _only(mark + rest)
    assert answer["partial"]
    assert answer["fields"] == {n: v for n, v in FULL.items() if n != "start_time"}


def test_a_line_that_begins_with_its_status_is_read_from_there() -> None:
    answer = _only(LINE[LINE.index("503 UC") :])
    assert answer["partial"]
    lost = ("start_time", "method", "path", "protocol")
    assert answer["fields"] == {n: v for n, v in FULL.items() if n not in lost}
