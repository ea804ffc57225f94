"""Whatever arrives, it is answered, as JSON can say it, and without effort that grows with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.explain import explain
from pipelines.formats.custom import AccessFormat
from pipelines.formats.values import FLAGS, MAX_INTEGER
from pipelines.recognise import MAX_LINE
from pipelines.schema import FIELDS

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
LINES = [
    json.loads(line)["raw"]
    for name in ("access-dev.jsonl", "istiod-dev.jsonl")
    for line in (CORPUS / name).read_text("utf-8").splitlines()
]
KINDS = {"access", "istiod", "agent", "envoy", "reject"}
NUMBERS = {"bytes_received", "bytes_sent", "duration_ms", "upstream_service_time_ms"}
FORM = AccessFormat.compile(
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%"'
)


def _check(value: bytes) -> None:
    for answer in explain(value) + explain(value, formats=[FORM]):
        assert answer["kind"] in KINDS
        assert (answer["kind"] == "reject") == (answer["reason"] is not None)
        json.dumps(answer, ensure_ascii=False).encode()  # no surrogates, no NaN, no bytes
        if answer["kind"] == "access":
            _check_fields(answer["fields"])


def _check_fields(fields: dict[str, object]) -> None:
    assert fields.keys() <= FIELDS.keys()
    assert len(fields) > 1
    for name, value in fields.items():
        if name in NUMBERS:
            assert value is None or (isinstance(value, int) and 0 <= value <= MAX_INTEGER)
        elif name == "response_code":
            assert value is None or (isinstance(value, int) and 0 <= value <= 999)
        elif name == "response_flags":
            assert isinstance(value, list)
        else:
            assert value is None or isinstance(value, str)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_answered(value: bytes) -> None:
    _check(value)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_answered(text: str) -> None:
    _check(text.encode("utf-8", "surrogatepass"))


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(sorted(FIELDS)) | st.text(max_size=8), inner, max_size=6
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_answered(document: object) -> None:
    _check(json.dumps(document).encode())


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mangled_real_lines_are_answered(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(LINES)).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        until = min(len(raw), at + data.draw(st.integers(0, 12)))
        raw[at:until] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b'" "', b" ", b"\\", b"{", b"\n", b"-"])
        )
    _check(bytes(raw))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_two_real_lines_cut_and_joined_are_answered(data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(LINES)), data.draw(st.sampled_from(LINES))
    cut = data.draw(st.integers(0, len(one)))
    glue = data.draw(st.sampled_from(["", " ", "\n", '"', '" "']))
    _check((one[:cut] + glue + other).encode())


HEAD = '[2022-02-01T10:00:00.310Z] "GET /a HTTP/1.1" 503 NC '


@pytest.mark.parametrize("head", ["", HEAD, HEAD + 'x - "-" 0 0 0 - "-" "', '{"response_flags":"'])
@pytest.mark.parametrize(
    "unit",
    [
        '" "',
        '" 200 - ',
        '"-" 0 0 0 - "',
        '" "1.2.3.4:80" a - - - ',
        '\\"',
        '""',
        "&quot;",
        "a=b ",
        '"a":1,',
        '[2022-02-01T10:00:00.310Z] "',
        "\n",
        '{"a":',
        "[",
        "A,",
        "1.2.3.4, ",
        "—",
        " ",
    ],
)
def test_the_longest_lines_made_to_confuse_are_answered(head: str, unit: str) -> None:
    _check((head + unit * MAX_LINE)[:MAX_LINE].encode())


def test_flags_are_an_open_set_that_still_has_a_grammar() -> None:
    for text in ("-", "UH", "UF,URX", "XYZZY", "A_1,B2"):
        assert re.fullmatch(FLAGS, text)
    for text in ("", "uf", "UF,", ",UF", "UF URX", "--", "1A"):
        assert not re.fullmatch(FLAGS, text)
