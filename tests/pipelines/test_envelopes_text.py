"""What terminal tools and the container runtime print before a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.envelopes import Identity, Record, peel

DATA = Path(__file__).parents[1] / "data" / "envelopes"
LINE = (
    '[2020-11-23T10:00:00.308Z] "GET /a HTTP/1.1" 503 NR "-" "-" 0 0 0 - "-" "okhttp/3" "0f1e" '
    '"orders" "-" - - 10.0.9.3:80 10.4.2.7:41514 - default'
)
ISTIOD = (
    "2020-11-23T10:00:00.308123Z\tinfo\tads\tPush debounce stable[4] 1: 100ms since last change"
)
ENVOY = (
    "[2020-11-23 10:00:00.308][23][warning][config] [bazel-out/x.cc:1] gRPC config stream closed"
)
TIME = datetime(2020, 11, 23, 10, 0, 0, 310123, UTC)


def only(text: str) -> Record:
    (record,) = peel(text.encode())
    return record


def samples(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


@pytest.mark.parametrize("sample", samples("prefixed.jsonl"), ids=lambda sample: sample["kind"])
def test_a_posted_line_keeps_exactly_what_its_process_wrote(sample: dict[str, str]) -> None:
    assert only(sample["raw"]).line == sample["line"]


@pytest.mark.parametrize("sample", samples("bare.jsonl"), ids=lambda sample: sample["kind"])
def test_nothing_is_taken_off_a_line_without_an_envelope(sample: dict[str, str]) -> None:
    record = only(sample["raw"])
    assert record.line == sample["raw"]
    assert record.envelope == "bare"
    assert record.identity == Identity()


@pytest.mark.parametrize(
    "stamp",
    [
        "2020-11-23T10:00:00.310123456Z",
        "2020-11-23T12:00:00.310123456+02:00",
        "2020-11-23T02:30:00.310123-07:30",
    ],
)
@pytest.mark.parametrize("tag", ["F", "F:extra"])
@pytest.mark.parametrize("line", [LINE, ISTIOD, ENVOY, "any other words"])
def test_cri_framing_gives_line_time_and_stream(stamp: str, tag: str, line: str) -> None:
    record = only(f"{stamp} stdout {tag} {line}\n")
    assert (record.line, record.time, record.envelope) == (line, TIME, "cri")
    assert not record.partial
    assert record.stream is not None


@pytest.mark.parametrize("line", [LINE, ISTIOD, ENVOY])
@pytest.mark.parametrize(
    ("prefix", "envelope", "identity"),
    [
        (
            "[pod/frontend-v1-d892h245fc-93b82/istio-proxy] ",
            "stern",
            Identity(
                pod="frontend-v1-d892h245fc-93b82", workload="frontend-v1", container="istio-proxy"
            ),
        ),
        (
            "shop/web-6d9f8c7b5d-x7k2p[istio-proxy]: ",
            "stern",
            Identity(
                pod="web-6d9f8c7b5d-x7k2p",
                namespace="shop",
                workload="web",
                container="istio-proxy",
            ),
        ),
        ("redis-2 proxy ", "stern", Identity(pod="redis-2", workload="redis", container="proxy")),
        (
            "shop redis-2 proxy ",
            "stern",
            Identity(pod="redis-2", namespace="shop", workload="redis", container="proxy"),
        ),
        ("[redis-2 proxy] ", "stern", Identity(pod="redis-2", workload="redis", container="proxy")),
        ("gone-.. istio-proxy ", "stern", Identity(container="istio-proxy")),
        ("shop_envoy-1  | ", "compose", Identity()),
        ("\x1b[32menvoy-1  |\x1b[0m ", "compose", Identity()),
        ("2020-11-23T10:00:00.310123456Z ", "kubectl-timestamps", Identity()),
        ("ACCESS ", "prefix", Identity()),
        ("proxy.log:17: ", "prefix", Identity()),
        (
            "/var/log/containers/redis-2_shop_proxy-9ab0.log:17:",
            "prefix",
            Identity(pod="redis-2", namespace="shop", workload="redis", container="proxy"),
        ),
        ("Nov 23 10:00:00 node-1 envoy[7]: ", "syslog", Identity()),
        ("<134>Nov  3 10:00:00 node-1 envoy: ", "syslog", Identity()),
        ("<134>1 2020-11-23T10:00:00.310Z node-1 envoy 7 - - ", "syslog", Identity()),
        ('<134>1 2020-11-23T10:00:00.310Z node-1 envoy 7 - [a b="c"] ', "syslog", Identity()),
        ("> ", "marks", Identity()),
        ("# ", "marks", Identity()),
        ("   ", "bare", Identity()),
    ],
)
def test_a_prefix_is_taken_off_and_read(
    prefix: str, envelope: str, identity: Identity, line: str
) -> None:
    record = only(prefix + line)
    assert (record.line, record.envelope, record.identity) == (line, envelope, identity)


def test_prefixes_nest() -> None:
    record = only(f"[pod/redis-2/istio-proxy] 2020-11-23T10:00:00.310123456Z {LINE}")
    assert (record.line, record.time, record.identity.pod) == (LINE, TIME, "redis-2")
    assert record.envelope == "stern/kubectl-timestamps"


@pytest.mark.parametrize("notice", ["+ web-1 › istio-proxy", "- shop web-1 › istio-proxy"])
def test_sterns_own_remarks_are_no_lines(notice: str) -> None:
    record = only(notice)
    assert (record.line, record.reason) == (None, "notice")


@pytest.mark.parametrize(
    "line",
    [
        "[Envoy (Epoch 0)] [2020-05-01 10:00:00.123][23][warning][config] gRPC stream closed",
        '"GET /data HTTP/1.1" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0',
        '"GET /data HTTP/1.1"',
        "2019-05-14T06:47:31.822813Z     info    Envoy command: [-c /etc/istio]",
        "2019-05-14T06:47:31.822813Z info Envoy proxy is ready",
        "info    ads     XDS: Pushing Services:2 ConnectedEndpoints:0 Version:...",
        "gc 1 @0.1s | something else",
        "+ plain words",
    ],
)
def test_a_line_that_only_looks_prefixed_is_left_alone(line: str) -> None:
    record = only(line)
    assert (record.line, record.envelope, record.time) == (line, "bare", None)


def test_text_after_an_unmistakable_prefix_need_not_be_known() -> None:
    assert only("[pod/web-1/app] anything at all").line == "anything at all"
