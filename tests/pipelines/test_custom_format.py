"""A mesh's own accessLogFormat, compiled: every operator, every shape, every mistake."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.envelopes import Record, peel
from pipelines.explain import explain
from pipelines.formats.custom import AccessFormat, FormatError
from pipelines.formats.values import Reading
from pipelines.recognise import recognise

CORPUS = Path(__file__).parents[1] / "data" / "corpus" / "access-dev.jsonl"
HEAD = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% "
)
MIXER = '"%DYNAMIC_METADATA(istio.mixer:status)%" '
REASON = '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" '
NUMBERS = "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
HEADERS = (
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" '
    '"%UPSTREAM_HOST%"'
)
TAIL = (
    " %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% "
    "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME%"
)
DETAILS = "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
DEFAULTS = {
    "istio-text-1.1": HEAD + MIXER + NUMBERS + HEADERS + TAIL,
    "istio-text-1.2": HEAD + MIXER + REASON + NUMBERS + HEADERS + TAIL,
    "istio-text-1.3": HEAD + MIXER + REASON + NUMBERS + HEADERS + TAIL + " %ROUTE_NAME%\n",
    "istio-text-1.8": HEAD + REASON + NUMBERS + HEADERS + TAIL + " %ROUTE_NAME%\n",
    "istio-text-1.9": HEAD + DETAILS + REASON + NUMBERS + HEADERS + TAIL + " %ROUTE_NAME%\\n",
    "envoy-text": HEAD + NUMBERS + HEADERS + "\n",
}


def read(form: str, line: str) -> Reading:
    reading = AccessFormat.compile(form).read(line)
    assert reading is not None
    return reading


def _corpus_records() -> list[Record]:
    items = map(json.loads, CORPUS.read_text("utf-8").splitlines())
    return [record for item in items for record in peel(item["raw"].encode())]


def test_a_default_format_compiled_reads_real_lines_as_the_built_in_one_does() -> None:
    forms = {name: AccessFormat.compile(text) for name, text in DEFAULTS.items()}
    compared = set()
    for record in _corpus_records():
        entry = recognise(record)
        if entry.format in forms and not entry.partial:
            other = recognise(record, formats=[forms[entry.format]])
            entry.fields.pop("extra", None)
            other.fields.pop("extra", None)
            assert other.fields == entry.fields
            assert other.format == "custom-text"
            compared.add(entry.format)
    assert compared == DEFAULTS.keys()


def test_a_key_value_format_reads_a_real_line_that_its_keys_alone_leave_partial() -> None:
    raw = next(r.line for r in _corpus_records() if r.line and r.line.startswith("[05/12/2019"))
    form = AccessFormat.compile(
        "[%START_TIME(%d/%m/%YT%H:%M:%S%z %s)%] method=%REQ(:METHOD)% "
        "authority=%REQ(:AUTHORITY)% txId=%REQ(X-TX-ID)% request=%REQ(:PATH)% alpn=%PROTOCOL% "
        "response_flag=%RESPONSE_FLAGS% ssl_protocol=%DOWNSTREAM_TLS_VERSION% "
        "ssl_cipher=%DOWNSTREAM_TLS_CIPHER% status=%RESPONSE_CODE% "
        "status_details=%RESPONSE_CODE_DETAILS% request_size=%BYTES_RECEIVED% "
        "response_size=%BYTES_SENT% envoy_request_id=%REQ(X-REQUEST-ID)% "
        "user-agent=%REQ(USER-AGENT)% xFor=%REQ(X-FORWARDED-FOR)% "
        "x-envoy-upstream-service-time=%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
        "total_time_ms=%DURATION% upstream=%UPSTREAM_HOST%"
    )
    (answer,) = explain(raw.encode(), formats=[form])
    assert "partial" not in answer
    assert answer["fields"]["start_time"] == "2019-12-05T16:14:53Z"
    assert answer["fields"]["bytes_received"] == 84
    assert answer["fields"]["protocol"] == "HTTP/2"
    assert answer["extra"]["downstream_tls_version"] == "TLSv1.3"


@pytest.mark.parametrize(
    ("operator", "printed", "field", "value"),
    [
        ("%REQ(:METHOD)%", "GET", "method", "GET"),
        ("%REQ(:method)%", "GET", "method", "GET"),
        ("%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/a b", "path", "/a b"),
        ("%PATH(NQ)%", "/a", "path", "/a"),
        ("%REQ(:PATH):3%", "/ab", "path", "/ab"),
        ("%RESPONSE_FLAGS_LONG%", "UpstreamConnectionFailure,X", "response_flags", ["UF", "X"]),
        ("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "a b", "response_code_details", "a b"),
        ("%UPSTREAM_CLUSTER_RAW%", "outbound|80||o", "upstream_cluster", "outbound|80||o"),
        ("%UPSTREAM_REMOTE_ADDRESS%", "[::1]:80", "upstream_host", "[::1]:80"),
        ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)%", "12", "duration_ms", 12),
        ("%REQ(:AUTHORITY?HOST)%", "orders:80", "authority", "orders:80"),
        ("%DURATION%", "-", "duration_ms", None),
        ("%DURATION%", "", "duration_ms", None),
    ],
)
def test_an_operator_prints_its_field(
    operator: str, printed: str, field: str, value: object
) -> None:
    for around in ("<{}>", '"{}" end', "a=({}) b"):
        reading = read(around.format(operator), around.format(printed))
        assert reading.fields == {field: value}
        assert not reading.extra


@pytest.mark.parametrize(
    ("operator", "label"),
    [
        ("%GRPC_STATUS%", "grpc_status"),
        ("%REQ(X-B3-TRACEID)%", "req.x-b3-traceid"),
        ("%RESP(X-A?X-B):7%", "resp.x-a"),
        ("%DYNAMIC_METADATA(ns:key:sub):9%", "dynamic_metadata(ns:key:sub)"),
        ("%FILTER_STATE(key:PLAIN)%", "filter_state(key:PLAIN)"),
        ("%CEL(request.headers['x'].size())%", "cel(request.headers['x'].size())"),
        ("%COMMON_DURATION(A:B:us)%", "common_duration(A:B:us)"),
        ("%DOWNSTREAM_DETECTED_CLOSE_TYPE%", "downstream_detected_close_type"),
        ("%SOMETHING_NEW_42(a)%", "something_new_42(a)"),
    ],
)
def test_an_operator_without_a_field_known_or_not_is_kept_as_extra(
    operator: str, label: str
) -> None:
    reading = read(f"{operator} %RESPONSE_CODE%", "some value 503")
    assert reading.extra == {label: "some value"}
    assert reading.fields == {"response_code": 503}


@pytest.mark.parametrize(
    ("form", "printed", "time", "digits"),
    [
        ("", "2022-02-01T10:00:00.310Z", datetime(2022, 2, 1, 10, 0, 0, 310000, UTC), 3),
        ("(%s)", "1643709600", datetime(2022, 2, 1, 10, tzinfo=UTC), 0),
        ("(%s.%3f)", "1643709600.042", datetime(2022, 2, 1, 10, 0, 0, 42000, UTC), 3),
        ("(%s%9f)", "1643709600042000007", datetime(2022, 2, 1, 10, 0, 0, 42000, UTC), 9),
        ("(%F %T.%6f)", "2022-02-01 10:00:00.000042", datetime(2022, 2, 1, 10, 0, 0, 42, UTC), 6),
        (
            "(%d/%b/%Y:%H:%M:%S %z)",
            "01/Feb/2022:12:00:00 +0200",
            datetime(2022, 2, 1, 10, tzinfo=UTC),
            0,
        ),
        ("(%D %I:%M:%S %p)", "02/01/22 10:00:00 PM", datetime(2022, 2, 1, 22, tzinfo=UTC), 0),
        (
            "(%Y-%m-%dT%H:%M:%E3SZ)",
            "2022-02-01T10:00:00.310Z",
            datetime(2022, 2, 1, 10, 0, 0, 310000, UTC),
            3,
        ),
    ],
)
def test_a_start_time_is_read_in_the_format_it_was_printed_in(
    form: str, printed: str, time: datetime, digits: int
) -> None:
    reading = read(f"at %START_TIME{form}% code %RESPONSE_CODE%", f"at {printed} code 200")
    assert reading.fields["start_time"] == time
    assert reading.precision == digits


def test_a_start_time_without_a_date_is_kept_as_text() -> None:
    reading = read("%START_TIME(%H:%M)% %RESPONSE_CODE%", "10:00 200")
    assert reading.fields == {"response_code": 200}
    assert reading.extra == {"start_time(%H:%M)": "10:00"}


def test_a_doubled_percent_sign_is_one_printed() -> None:
    assert read("100%% %RESPONSE_CODE%", "100% 200").fields == {"response_code": 200}


def test_operators_with_nothing_between_them_are_kept_together() -> None:
    reading = read("%RESPONSE_CODE% %PROTOCOL%%GRPC_STATUS%", "200 HTTP/2OK")
    assert reading.extra == {"protocol+grpc_status": "HTTP/2OK"}


def test_quotes_and_separators_in_a_user_agent_do_not_shift_other_fields() -> None:
    form = 'ua="%REQ(USER-AGENT)%" id="%REQ(X-REQUEST-ID)%" code=%RESPONSE_CODE%'
    rid = "d9b68dca-5761-48aa-aff1-dfc8d170b5e1"
    reading = read(form, f'ua="a" id="b" code=200" id="{rid}" code=503')
    assert reading.fields == {
        "user_agent": 'a" id="b" code=200',
        "request_id": rid,
        "response_code": 503,
    }


def test_a_path_with_spaces_does_not_shift_other_fields() -> None:
    form = '"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE%'
    assert read(form, '"GET /a  b= c HTTP/1.1" 200').fields == {
        "method": "GET",
        "path": "/a  b= c",
        "protocol": "HTTP/1.1",
        "response_code": 200,
    }


def test_headers_that_can_be_parted_in_two_ways_are_left_out() -> None:
    form = AccessFormat.compile(DEFAULTS["envoy-text"])
    reading = form.read(
        '[2022-02-01T10:00:00.310Z] "GET /a HTTP/1.1" 503 UF 0 91 62 - "x" "y" "curl/7" "-" '
        '"orders" "10.4.1.9:8080"'
    )
    assert reading is not None
    assert reading.partial
    assert reading.fields["response_code"] == 503
    assert not {"x_forwarded_for", "user_agent"} & reading.fields.keys()


def test_a_cut_line_of_a_custom_format_gives_its_certain_start() -> None:
    form = AccessFormat.compile("%START_TIME% |%RESPONSE_CODE%|%RESPONSE_FLAGS%|%UPSTREAM_HOST%|")
    (answer,) = explain(b"2022-02-01T10:00:00.310Z |503|UF,URX|10.0.", formats=[form])
    assert answer["partial"]
    assert answer["fields"] == {
        "start_time": "2022-02-01T10:00:00.310Z",
        "response_code": 503,
        "response_flags": ["UF", "URX"],
    }


def test_lines_of_other_layouts_are_still_read_when_a_format_is_given() -> None:
    form = AccessFormat.compile("%RESPONSE_CODE%|%RESPONSE_FLAGS%")
    for record in _corpus_records():
        with_form, without = recognise(record, formats=[form]), recognise(record)
        assert (with_form.kind, with_form.format) == (without.kind, without.format)


JSON_FORM = {
    "t": "%START_TIME(%s.%3f)%",
    "http": {"m": "%REQ(:METHOD)%", "line": "%REQ(:METHOD)% %REQ(:PATH)%"},
    "c": "%RESPONSE_CODE%",
    "list": ["%RESPONSE_FLAGS%", "%BYTES_SENT%"],
    "g": "%GRPC_STATUS%",
    "static": "v1",
}
JSON_LINE = {
    "t": "1643709600.042",
    "http": {"m": "GET", "line": "GET /a"},
    "c": 503,
    "list": ["UF,URX", 7],
    "g": None,
    "static": "v1",
}


def _explain_json(document: dict[str, Any]) -> dict[str, Any]:
    form = AccessFormat.compile(json.dumps(JSON_FORM))
    (answer,) = explain(json.dumps(document).encode(), formats=[form])
    return answer


def test_a_nested_json_format_reads_values_in_their_places() -> None:
    assert _explain_json(JSON_LINE) == {
        "kind": "access",
        "format": "custom-json",
        "fields": {
            "start_time": "2022-02-01T10:00:00.042Z",
            "method": "GET",
            "path": "/a",
            "response_code": 503,
            "response_flags": ["UF", "URX"],
            "bytes_sent": 7,
        },
        "reason": None,
        "extra": {"grpc_status": None},
    }


def test_keys_that_were_omitted_as_empty_are_absent() -> None:
    document = {name: value for name, value in JSON_LINE.items() if name not in ("g", "static")}
    assert _explain_json(document)["fields"] == _explain_json(JSON_LINE)["fields"]


def test_a_document_of_another_shape_is_not_forced_into_the_format() -> None:
    assert _explain_json({"c": 1, "other": 2})["kind"] == "reject"


@pytest.mark.parametrize(
    ("form", "position"),
    [
        ("%", 0),
        ("100% %PROTOCOL%", 3),
        ("%REQ(abc", 4),
        ("a %req(x)%", 2),
        ("%DURATION", 9),
        ("%PROTOCOL:12", 9),
        ('{"a": {"b": "%PROTOCOL%", "c": "%REQ("}}', 36),
        ('{"a": "%PROTOCOL%",', 19),
        ("no operator", 0),
        ('{"a": "%%"}', 0),
        ('{"a":' * 40 + '"%PROTOCOL%"' + "}" * 40, 0),
        ('{"a":' * 100_000, 0),
        ("", 0),
    ],
)
def test_a_malformed_format_is_an_error_that_says_where(form: str, position: int) -> None:
    with pytest.raises(FormatError) as caught:
        AccessFormat.compile(form)
    assert caught.value.position == position
    assert isinstance(caught.value, ValueError)


def _mistake(form: str) -> int | None:
    try:
        compiled = AccessFormat.compile(form)
    except FormatError as error:
        return error.position
    compiled.read("some line")
    compiled.read_cut("some line")
    compiled.read_document({"some": "document"})
    return None


@settings(deadline=None)
@given(st.text(st.sampled_from('%ABREQ():?{}"ax 1'), max_size=40) | st.text(max_size=200))
def test_any_text_compiles_or_is_refused_with_a_place_inside_it(form: str) -> None:
    position = _mistake(form)
    assert position is None or 0 <= position <= len(form)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_line_is_read_or_refused_by_a_compiled_format(line: str) -> None:
    form = AccessFormat.compile(DEFAULTS["istio-text-1.9"])
    entry = recognise(Record(line=line), formats=[form])
    assert entry.kind in ("access", "istiod", "agent", "envoy", "reject")


def test_a_text_format_reads_no_document_and_a_json_format_no_line() -> None:
    text, document = (
        AccessFormat.compile("%RESPONSE_CODE%"),
        AccessFormat.compile('{"c":"%DURATION%"}'),
    )
    assert text.read_document({"c": 1}) is None
    assert document.read("200") is None
    assert document.read_cut("200") is None
    assert (text.name, document.name) == ("custom-text", "custom-json")


def test_an_impossible_time_makes_a_custom_entry_partial() -> None:
    form = AccessFormat.compile('{"t":"%START_TIME(%F %T)%","c":"%RESPONSE_CODE%"}')
    reading = form.read_document({"t": "2022-13-41 10:00:00", "c": 200})
    assert reading is not None
    assert reading.partial
    assert reading.fields == {"response_code": 200}


def test_a_path_that_holds_a_quote_and_a_space_is_left_out_with_the_headers() -> None:
    line = (
        '[2022-02-01T10:00:00.310Z] "GET /a" b HTTP/1.1" 503 UF 0 91 62 - "-" "curl/7" "-" '
        '"orders" "10.4.1.9:8080"'
    )
    reading = AccessFormat.compile(DEFAULTS["envoy-text"]).read(line)
    assert reading is not None
    assert reading.partial
    assert reading.fields["response_code"] == 503
    assert not {"path", "user_agent", "authority"} & reading.fields.keys()
