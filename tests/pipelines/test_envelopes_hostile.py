"""No bytes may make peeling raise, hang or lie."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipelines.envelopes import PartialJoiner, Record, peel

LINE = '[2020-11-23T10:00:00.308Z] "GET /a HTTP/1.1" 503 NR "-" "-" 0 0 0 - "-" "okhttp/3" "0f1e"'
OTLP_JSON = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "k8s.pod.name", "value": {"stringValue": "a-0"}}]},
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "timeUnixNano": "1606125600310123456",
                            "body": {"stringValue": LINE},
                            "attributes": [{"key": "logtag", "value": {"stringValue": "P"}}],
                        }
                    ]
                }
            ],
        }
    ]
}
OTLP_PROTO = (
    b"\n\x7f\n\x15\n\x13\n\x0ck8s.pod.name\x12\x03\n\x01a\x12f\x12d\t@\xe2\x01\x00\x00\x00\x00\x00"
    b"*\x59\n\x57" + LINE[:87].encode()
)
SHIPPED: list[Any] = [
    {
        "@timestamp": 1606125600.31,
        "_p": "F",
        "log": f"2020-11-23T10:00:00.310Z stdout P {LINE}",
        "kubernetes": {
            "pod_name": "a-0",
            "labels": {"app": "a", "istio": {"io/rev": "x"}},
            "annotations": {"sidecar.istio.io/status": '{"version":"1.7.5"}'},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "a-6d9f8c7b5d"}],
        },
    },
    {"message": json.dumps({"log": LINE, "stream": "stdout"}), "agent": {"type": "filebeat"}},
    {"podName": "a-0", "containerName": "istio-proxy", "message": LINE},
    OTLP_JSON,
]
SAMPLES = [
    *(json.dumps(value).encode() for value in SHIPPED),
    *(msgspec.msgpack.encode(value) for value in SHIPPED),
    OTLP_PROTO,
    f"[pod/a-0/istio-proxy] 2020-11-23T10:00:00.310Z {LINE}".encode(),
    json.dumps(LINE).encode(),
]
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def check(records: list[Record]) -> None:
    """What holds for every record, whatever the bytes were."""
    assert records
    joiner = PartialJoiner(max_bytes=256, max_streams=2)
    for record in records:
        said = (record.line, record.document, record.reason)
        assert sum(part is not None for part in said) == 1
        assert (record.line or "").encode().decode() == (record.line or "")
        joiner.feed(record)
    joiner.restore(joiner.snapshot())
    joiner.flush()


def swapped(value: object, path: list[int], junk: object) -> object:
    """``value`` with ``junk`` somewhere inside, at the place the numbers lead to."""
    if path and isinstance(value, dict) and value:
        key = list(value)[path[0] % len(value)]
        return value | {key: swapped(value[key], path[1:], junk)}
    if path and isinstance(value, list) and value:
        place = path[0] % len(value)
        return [*value[:place], swapped(value[place], path[1:], junk), *value[place + 1 :]]
    return junk


@given(st.binary())
def test_any_bytes_give_records(value: bytes) -> None:
    check(peel(value))


@given(st.binary(max_size=40))
def test_random_bytes_are_not_taken_for_protobuf(value: bytes) -> None:
    assert not any(r.envelope.startswith("otlp-proto") and r.line for r in peel(b"\n" + value))


@given(st.sampled_from(SAMPLES), st.data())
def test_a_mangled_envelope_gives_records(sample: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, len(sample)))
    middle = data.draw(st.binary(max_size=8) | st.sampled_from([b"{", b'"', b"\\ud800", b"\n"]))
    check(peel(sample[:start] + middle + sample[end:]))


@given(st.sampled_from(SHIPPED), st.lists(st.integers(0, 9), max_size=9), JUNK)
def test_an_envelope_of_wrong_types_gives_records(
    sample: object, path: list[int], junk: object
) -> None:
    check(peel(json.dumps(swapped(sample, path, junk)).encode("utf-8", "replace")))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"{}", "empty"),
        (b"[{}]", "empty"),
        (b'{"log": ""}', None),
        (gzip.compress(LINE.encode(), mtime=0), "compressed"),
        (zstandard.compress(LINE.encode()), "compressed"),
        (b"\x00" * 100, "binary"),
        (bytes(range(128, 256)), "binary"),
        (LINE.encode("utf-16"), "binary"),
        (b'{"a":' * 100_000, "nested-too-deep"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "nested-too-deep"),
        (b'["' + b"[" * 100_000, None),
        (b"2020-11-23T10:00:00Z stdout F " + b'{"a":' * 100_000, "nested-too-deep"),
        (b"\x80\x80", "binary"),
        (b"\xdf\xff\xff\xff\xff", "binary"),
        (b"\x81\xa1a" * 100_000, "binary"),
        (b"\x80", "empty"),
    ],
)
def test_what_holds_no_line_says_why(value: bytes, reason: str | None) -> None:
    (record,) = peel(value)
    check([record])
    if reason is not None:
        assert (record.reason, record.line, record.document) == (reason, None, None)


def test_envelopes_nested_without_end_are_refused() -> None:
    text = LINE
    for _ in range(12):
        text = f"2020-11-23T10:00:00Z stdout F {text}"
    (record,) = peel(text.encode())
    assert record.reason == "nested-too-deep"


@pytest.mark.parametrize(
    "value",
    [
        b'{"log": ' + b"9" * 5000 + b"}",
        b'{"log": 1e999}',
        b'{"log": NaN}',
        b'{"log": "cut off',
        b'{"log": "a"} trailing',
    ],
)
def test_json_that_cannot_be_read_is_left_as_a_line(value: bytes) -> None:
    (record,) = peel(value)
    assert record.line == value.decode()


def test_the_last_of_two_equal_keys_counts() -> None:
    (record,) = peel(b'{"log": "first", "log": "second", "stream": "stdout"}')
    assert record.line == "second"


def test_bytes_in_a_wrong_encoding_are_replaced_and_the_line_is_kept() -> None:
    (record,) = peel(LINE.encode() + ' "café"'.encode("latin-1"))
    assert record.line == LINE + ' "caf\ufffd"'


def test_half_a_surrogate_pair_in_json_is_replaced() -> None:
    value = rb'{"log": "a \ud83d\ude00 \ud83d \\ud83d b", "kubernetes": {}}'
    (record,) = peel(value)
    assert record.line == "a \U0001f600 \ufffd \\ud83d b"


@pytest.mark.parametrize("size", [1_000_000])
@pytest.mark.parametrize(
    "unit",
    ["a", " ", "[", '"', "a/", "a ", "a: ", "\\", "{", "2020-11-23T10:00:00Z ", "\x1b[", ">"],
)
def test_a_long_line_of_any_kind_is_kept_whole(unit: str, size: int) -> None:
    text = "x" + unit * (size // len(unit))
    (record,) = peel(text.encode())
    assert record.line == text
