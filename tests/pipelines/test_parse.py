"""Batches of messages become frames, and no message gets lost on the way."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines import schema
from pipelines.batch import Batch
from pipelines.columns import read_columns
from pipelines.envelopes import peel
from pipelines.formats.custom import AccessFormat
from pipelines.parse import Parsed, Parser
from pipelines.writers import Writers

DATA = Path(__file__).parents[1] / "data"
GOOD = (
    '[2022-02-01T10:00:00.310Z] "GET /a HTTP/1.1" 503 UF,URX upstream_reset - "-" 0 91 62 - "-" '
    '"curl/7" "0f1e" "orders:80" "10.4.1.9:8080" outbound|80||orders.shop.svc.cluster.local '
    "10.4.2.7:5000 10.0.9.3:80 10.4.2.7:41514 - default"
)
LAYOUTS = {
    "istio-text-1.9": GOOD,
    "istio-text-1.8": GOOD.replace('upstream_reset - "-"', '"-"'),
    "istio-text-1.3": GOOD.replace('upstream_reset - "-"', '"-" "-"'),
    "istio-text-1.2": GOOD.replace('upstream_reset - "-"', '"-" "-"').removesuffix(" default"),
    "istio-text-1.1": GOOD.replace('upstream_reset - "-"', '"-"').removesuffix(" default"),
    "envoy-text": GOOD.replace('upstream_reset - "-" ', "").partition(" outbound")[0],
}
KUBERNETES = {
    "pod_name": "web-6d9f8c7b5d-abcde",
    "namespace_name": "shop",
    "labels": {"service.istio.io/canonical-name": "web"},
    "container_name": "istio-proxy",
    "container_image": "docker.io/istio/proxyv2:1.20.3",
}


def batch(values: Sequence[bytes | None]) -> Batch:
    return Batch("logs", 0, 0, len(values), values)


def parse(*lines: str | bytes | None) -> Parsed:
    values = [line.encode() if isinstance(line, str) else line for line in lines]
    return Parser().parse(batch(values))


def traffic(name: str) -> list[bytes]:
    return gzip.decompress((DATA / "traffic" / name).read_bytes()).splitlines()


def posted() -> list[bytes]:
    files = sorted((DATA / "corpus").glob("*.jsonl"))
    return [json.loads(line)["raw"].encode() for f in files for line in f.read_text().splitlines()]


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_default_layout_is_read_as_columns(name: str) -> None:
    columns = read_columns([LAYOUTS[name].encode()], Writers())
    assert columns.odd() == []
    assert columns.counts[f"access/{name}"] == 1
    row = columns.entries[0].row(0, named=True)
    assert row["response_code"] == 503
    assert row["response_flags"] == "UF,URX"
    assert row["bytes_sent"] == 91
    assert row["authority"] == "orders:80"
    assert row["upstream_host"] == "10.4.1.9:8080"


def test_layouts_may_be_mixed_in_one_batch() -> None:
    parsed = parse(*LAYOUTS.values(), *LAYOUTS.values())
    assert parsed.counts == {f"access/{name}": 2 for name in LAYOUTS}
    assert sorted(parsed.access["ordinal"]) == list(range(2 * len(LAYOUTS)))


def test_the_time_of_an_entry_is_when_its_response_ended() -> None:
    parsed = parse(GOOD)
    assert parsed.access["time"].item() == datetime(2022, 2, 1, 10, 0, 0, 372_000, UTC)


def test_a_dash_is_null_except_in_the_flags() -> None:
    row = parse(GOOD.replace("UF,URX", "-")).access.row(0, named=True)
    assert row["response_flags"] == "-"
    assert row["requested_server_name"] is None
    assert row["upstream_transport_failure_reason"] is None


def test_the_frames_have_the_schemas_columns_even_when_empty() -> None:
    parsed = parse()
    assert parsed.access.schema == schema.empty(schema.ACCESS).schema
    assert parsed.control.schema == schema.empty(schema.CONTROL).schema
    assert parsed.rejects.schema == schema.empty(schema.REJECTS).schema
    assert parsed.counts == {}


@pytest.mark.parametrize(
    "odd",
    [
        b'[20 with one " quote',
        b"[2022-02-01T10:00:00.310Z] cut",
        b"\xff\xfe\x00\x01",
        b"",
        None,
        GOOD.encode() + b"\n" + GOOD.encode(),
        b'{"log": "half',
        b"[" * 100_000,
        b'{"a":' * 5_000,
        GOOD.encode().replace(b"/a", b'/"'),
        GOOD.encode().replace(b"503", b"x03"),
        GOOD.encode().replace(b"10:00:00", b"25:00:00"),
        GOOD.encode().replace(b"2022-02-01", b"2022-02-31"),
        GOOD.encode().replace(b" 62 ", b" 99999999999999999999 "),
    ],
)
def test_an_odd_message_leaves_its_neighbours_alone(odd: bytes | None) -> None:
    """They are read as they are without it, wherever it stands."""
    alone = parse(GOOD, GOOD).access.drop("ordinal")
    for values in ([odd, GOOD, GOOD], [GOOD, odd, GOOD], [GOOD, GOOD, odd]):
        parsed = parse(*values)
        place = values.index(odd)
        rest = parsed.access.filter(parsed.access["ordinal"] != place).drop("ordinal")
        assert rest.equals(alone)


def test_a_forged_user_agent_cannot_pass_for_other_fields() -> None:
    forged = GOOD.replace('"curl/7"', '"x" "-" "-" "-" outbound|80||evil.example "')
    parsed = parse(GOOD, forged, GOOD)
    assert parsed.access["upstream_cluster"].unique().to_list() == [
        "outbound|80||orders.shop.svc.cluster.local"
    ]


def test_spaces_and_pairs_of_quotes_inside_a_field_do_no_harm() -> None:
    parsed = parse(GOOD, GOOD.replace("curl/7", 'a "quoted" name, with spaces'))
    assert parsed.counts == {"access/istio-text-1.9": 2}
    assert parsed.access["authority"].to_list() == ["orders:80", "orders:80"]


def test_health_checks_are_counted_but_kept_out_of_the_frame() -> None:
    parsed = parse(GOOD.replace("curl/7", "kube-probe/1.29"), GOOD)
    assert parsed.counts == {"probe": 1, "access/istio-text-1.9": 1}
    assert parsed.access["ordinal"].to_list() == [1]


def test_json_entries_are_read_in_any_order_of_keys_old_and_new() -> None:
    new = traffic("access.json.gz")[0]
    document = json.loads(new)
    backwards = dict(reversed(document.items()))
    old = {
        k: "-" if v is None else v if isinstance(v, dict) else str(v) for k, v in document.items()
    }
    columns = read_columns([json.dumps(d).encode() for d in (document, backwards, old)], Writers())
    assert columns.odd() == []
    first, *others = columns.entries[0].drop("ordinal").rows()
    assert others == [first, first]


def test_a_key_of_the_meshs_own_format_is_not_taken_for_a_missing_one() -> None:
    document = json.loads(traffic("access.json.gz")[0])
    document[":authority"] = document.pop("authority")
    parsed = parse(json.dumps(document))
    assert parsed.access["authority"].to_list() == [document[":authority"]]


@pytest.mark.parametrize(
    "envelope",
    [
        lambda line: {"@timestamp": 1.5, "_p": "F", "log": line, "kubernetes": KUBERNETES},
        lambda line: {"log": f"{line}\n", "docker": {}, "kubernetes": KUBERNETES},
        lambda line: {"message": line, "log": {"offset": 1}, "kubernetes": KUBERNETES},
    ],
    ids=["fluent-bit", "fluentd", "filebeat"],
)
@pytest.mark.parametrize("name", ["access.log.gz", "access.json.gz"])
def test_lines_inside_shippers_json_keep_their_writer(name: str, envelope: object) -> None:
    assert callable(envelope)
    line = traffic(name)[0].decode().removeprefix("[pod/").partition("] ")[2]
    if name == "access.json.gz":
        entry = json.loads(traffic(name)[0])
        del entry["kubernetes"]
        line = json.dumps(entry)
    columns = read_columns([json.dumps(envelope(line)).encode()] * 2, Writers())
    assert columns.odd() == []
    row = columns.entries[0].row(1, named=True)
    assert (row["pod"], row["namespace"]) == ("web-6d9f8c7b5d-abcde", "shop")
    assert (row["workload"], row["proxy_version"]) == ("web", "1.20.3")


def test_pieces_of_a_line_are_joined_across_batches() -> None:
    parser = Parser()
    head, tail = GOOD[:200].encode(), GOOD[200:].encode()
    first = parser.parse(batch([b"2022-02-01T10:00:00.5Z stdout P " + head]))
    second = parser.parse(batch([b"2022-02-01T10:00:00.5Z stdout F " + tail]))
    assert first.counts == {"partial": 1}
    assert second.access.drop("ordinal").equals(parse(GOOD).access.drop("ordinal"))


def test_a_line_left_unfinished_at_the_end_is_read_as_far_as_it_goes() -> None:
    parser = Parser()
    parser.parse(batch([b"2022-02-01T10:00:00.5Z stdout P " + GOOD[:300].encode()]))
    parsed = parser.flush()
    assert parsed.access["response_flags"].to_list() == ["UF,URX"]
    assert sum(parsed.counts.values()) == 1
    assert sum(parser.flush().counts.values()) == 0


def test_a_control_plane_line_becomes_an_event_and_no_access_entry() -> None:
    line = "2022-02-01T10:00:00.123456Z\tinfo\tads\tADS: new connection for node:web-1.shop-7"
    parsed = parse(GOOD, line)
    assert parsed.control["kind"].to_list() == ["connect"]
    assert len(parsed.access) == 1


def test_a_format_of_the_meshs_own_is_tried_before_the_default_layouts() -> None:
    """It may have the shape of a default layout with other fields in the same places."""
    swapped = GOOD.replace('"orders:80" "10.4.1.9:8080"', '"10.4.1.9:8080" "orders:80"')
    text = (
        '[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
        "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
        '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
        '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
        '"%REQ(X-REQUEST-ID)%" "%UPSTREAM_HOST%" "%REQ(:AUTHORITY)%" %UPSTREAM_CLUSTER% '
        "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
        "%REQUESTED_SERVER_NAME% %ROUTE_NAME%"
    )
    parser = Parser(formats=[AccessFormat.compile(text)])
    assert parser.parse(batch([swapped.encode()])).access["authority"].to_list() == ["orders:80"]


def careful(values: Sequence[bytes | None], monkeypatch: pytest.MonkeyPatch) -> Parsed:
    """What the reference says: every message one by one, none as columns."""
    with monkeypatch.context() as patched:
        patched.setattr(
            "pipelines.parse.read_columns", lambda _values, w: _columns_of_nothing(values, w)
        )
        return Parser().parse(batch(values))


def _columns_of_nothing(values: Sequence[bytes | None], writers: Writers) -> object:
    columns = read_columns([None] * len(values), writers)
    assert columns.odd() == list(range(len(values)))
    return columns


def wrapped(lines: list[bytes]) -> list[bytes]:
    texts = [line.decode(errors="replace") for line in lines]
    return [
        *lines,
        *(b"2022-02-01T10:00:00.5Z stdout F " + line for line in lines),
        *(json.dumps({"log": f"{t}\n", "kubernetes": KUBERNETES}).encode() for t in texts),
        *(json.dumps({"log": f"{t}\n", "stream": "stdout", "time": "x"}).encode() for t in texts),
    ]


def assert_agrees(values: Sequence[bytes | None], monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow = Parser().parse(batch(values)), careful(values, monkeypatch)
    assert fast.access.sort(fast.access.columns).equals(slow.access.sort(slow.access.columns))
    assert fast.control.equals(slow.control)
    assert by_kind(fast) == by_kind(slow)


def by_kind(parsed: Parsed) -> Counter[str]:
    """Counts, but JSON entries with other keys beside Istio's are one with those without."""
    counts: Counter[str] = Counter()
    for name, n in parsed.counts.items():
        counts[name.replace("access/custom-json", "access/istio-json")] += n
    return counts


def test_columns_and_careful_path_agree_on_real_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_agrees(traffic("access.log.gz")[::3] + traffic("access.json.gz")[::3], monkeypatch)


def test_columns_and_careful_path_agree_on_posted_lines_in_any_envelope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert_agrees(wrapped(posted()), monkeypatch)


MANGLE = st.tuples(
    st.sampled_from(
        [*(line.encode() for line in LAYOUTS.values()), *traffic("access.json.gz")[:3]]
    ),
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(0, 12),
            st.sampled_from(
                [b"", b'"', b" ", b"\\", b"\n", b"\xff", b"-", b'" "', b"7", b"{", b"}", b","]
            ),
        ),
        max_size=3,
    ),
)


def mangled(line: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for place, cut, put in edits:
        at = int(place * len(line))
        line = line[:at] + put + line[at + cut :]
    return line


@settings(max_examples=60, deadline=None)
@given(st.lists(MANGLE, min_size=1, max_size=30))
def test_columns_and_careful_path_agree_on_mangled_lines(
    cases: list[tuple[bytes, list[tuple[float, int, bytes]]]],
) -> None:
    values = [mangled(line, edits) for line, edits in cases]
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert_agrees(values, monkeypatch)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.binary(max_size=60),
            st.sampled_from([line.encode() for line in LAYOUTS.values()]),
            MANGLE.map(lambda case: mangled(*case)),
        ),
        max_size=25,
    )
)
def test_every_record_is_counted_exactly_once(values: list[bytes | None]) -> None:
    parsed = Parser().parse(batch(values))
    assert sum(parsed.counts.values()) == sum(len(peel(value or b"")) for value in values)
    rejected = sum(n for name, n in parsed.counts.items() if name.startswith("reject/"))
    assert len(parsed.rejects) == rejected
    entries = sum(n for name, n in parsed.counts.items() if name.startswith("access/"))
    assert len(parsed.access) == entries


EVENT = (
    b'{"time":"2026-11-23T05:00:00Z","kind":"connect","proxy":"web-0.shop","version":"1.27.0",'
    b'"revision":null,"type":null,"full":null}'
)


@pytest.mark.parametrize(
    "value",
    [
        EVENT,
        EVENT.replace(b"connect", b"dance"),
        EVENT.replace(b"2026-11-23T", b""),
        EVENT.replace(b'"full":null', b'"full":1'),
        EVENT.replace(b"}", b',"more":1}'),
        EVENT[:-1],
        b"[" * 100_000,
        b'{"kind":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
def test_an_event_is_read_alike_by_itself_and_with_care(value: bytes) -> None:
    short = Parser().parse(Batch("events", 0, 0, 1, [value], "control-plane"))
    long = Parser().parse(Batch("events", 0, 0, 1, [b" " + value], "control-plane"))

    assert_frame_equal(short.control, long.control)
    assert short.counts == long.counts


def test_every_message_that_is_rejected_is_named_however_many_there_are() -> None:
    values = [b"no log line"] * 3_000 + [b'{"start_time": ']
    parsed = Parser().parse(Batch("mixed", 0, 0, len(values), values))

    assert parsed.counts == {"reject/unknown-layout": 3_000, "reject/broken-json": 1}
    shown = Counter(parsed.rejects["reason"])
    assert shown == {"unknown-layout": 3_000, "broken-json": 1}
