"""Joining the pieces of long lines."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.envelopes import PartialJoiner, Record, peel

STAMP = "2020-11-23T10:00:00.310123456Z"
LINE = '[2020-11-23T10:00:00.308Z] "GET /long HTTP/1.1" 200 - via_upstream - "-" 0 5 1 1 "-" "é漢"'
ENTRY = {"start_time": STAMP, "response_code": 200, "response_flags": "-", "user_agent": "é漢"}


def cri(text: str, tag: str, output: str = "stdout") -> Record:
    (record,) = peel(f"{STAMP} {output} {tag} {text}".encode())
    return record


def shipped(text: str, tag: str, pod: str) -> Record:
    message = {"log": text, "_p": tag, "stream": "stdout", "kubernetes": {"pod_name": pod}}
    (record,) = peel(json.dumps(message).encode())
    return record


def docker(text: str) -> Record:
    (record,) = peel(json.dumps({"log": text, "stream": "stdout", "time": STAMP}).encode())
    return record


def cut(text: str, places: list[int]) -> list[str]:
    ends = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(ends)]


def feed(joiner: PartialJoiner, records: list[Record]) -> list[Record]:
    return [found for record in records if (found := joiner.feed(record)) is not None]


PLACES = st.lists(st.integers(0, 120), min_size=1, max_size=6)


@given(PLACES, st.sampled_from(["cri", "fluent-bit", "docker"]))
def test_a_line_cut_anywhere_comes_out_whole(places: list[int], envelope: str) -> None:
    pieces = cut(LINE, places)
    if envelope == "docker":
        pieces = [piece for piece in pieces if piece]
        records = [docker(piece) for piece in [*pieces[:-1], pieces[-1] + "\n"]]
    elif envelope == "cri":
        records = [cri(piece, "P") for piece in pieces[:-1]] + [cri(pieces[-1], "F")]
    else:
        records = [shipped(piece, "P", "a-0") for piece in pieces[:-1]]
        records.append(shipped(pieces[-1], "F", "a-0"))
    (found,) = feed(PartialJoiner(), records)
    assert (found.line, found.partial, found.envelope) == (LINE, False, envelope)
    assert found.time == records[0].time
    assert found.identity == records[0].identity


@given(PLACES)
def test_a_json_line_cut_anywhere_is_decoded_once_whole(places: list[int]) -> None:
    *first, last = cut(json.dumps(ENTRY), places)
    records = [*(shipped(piece, "P", "a-0") for piece in first), shipped(last, "F", "a-0")]
    (found,) = feed(PartialJoiner(), records)
    assert found.document == ENTRY


def test_streams_do_not_mix() -> None:
    records = [
        shipped(LINE[:30], "P", "a-0"),
        shipped("other ", "P", "b-0"),
        cri("raw ", "P"),
        cri("error ", "P", "stderr"),
        shipped(LINE[30:], "F", "a-0"),
        shipped("line", "F", "b-0"),
        cri("line", "F", "stderr"),
        cri("line", "F"),
    ]
    lines = [record.line for record in feed(PartialJoiner(), records)]
    assert lines == [LINE, "other line", "error line", "raw line"]


def test_whole_records_pass_straight_through() -> None:
    joiner = PartialJoiner()
    for record in (cri(LINE, "F"), shipped(LINE, "F", "a-0"), docker(LINE + "\n"), *peel(b"x")):
        assert joiner.feed(record) is record
    assert joiner.flush() == []


def test_a_line_over_its_bound_keeps_its_beginning_and_says_so() -> None:
    joiner = PartialJoiner(max_bytes=64)
    assert feed(joiner, [cri(LINE[:40], "P"), cri("漢" * 10_000, "P"), cri("x" * 99, "P")]) == []
    (found,) = feed(joiner, [cri("end", "F")])
    assert found.partial
    assert found.line is not None
    assert found.line.startswith(LINE[:40] + "漢")
    assert 61 < len(found.line.encode()) <= 64
    assert feed(joiner, [cri(LINE, "F")])[0].line == LINE


def test_the_oldest_unfinished_line_makes_room_for_a_new_one() -> None:
    joiner = PartialJoiner(max_streams=2)
    assert feed(joiner, [shipped(pod, "P", pod) for pod in ("a-0", "b-0")]) == []
    (evicted,) = feed(joiner, [shipped("c-0", "P", "c-0")])
    assert (evicted.line, evicted.partial, evicted.identity.pod) == ("a-0", True, "a-0")
    assert [record.line for record in joiner.flush()] == ["b-0", "c-0"]


@given(PLACES, st.integers(0, 7))
def test_a_snapshot_carries_unfinished_lines_over(places: list[int], taken_after: int) -> None:
    *first, last = cut(LINE, places)
    records = [*(shipped(piece, "P", "a-0") for piece in first), shipped(last, "F", "a-0")]
    before, after = PartialJoiner(), PartialJoiner()
    found = feed(before, records[:taken_after])
    after.restore(before.snapshot())
    found += feed(after, records[taken_after:])
    assert [record.line for record in found] == [LINE]
    assert found == feed(PartialJoiner(), records)


def test_what_is_no_snapshot_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        PartialJoiner().restore(b"\xc1")
