from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.formats import agent, envoy_log, istiod

TIME = "2022-07-15T23:16:14.575052Z"


@pytest.mark.parametrize(
    ("rest", "event"),
    [
        ("info\tEnvoy proxy is ready", "startup"),
        ("info\tReadiness succeeded in 7.57582274s", "startup"),
        ('info\tFLAG: --concurrency="2"', "startup"),
        ("info\tVersion 1.9.1-b0e5b3d-Clean", "startup"),
        ("info\tcache\treturned workload certificate from cache\tttl=23h59m59.02611722s", "other"),
        ("warn\tca\tca request failed, starting attempt 1 in 98.774281ms", "other"),
        ("warn\txdsproxy\tunregister stream", "other"),
        ("info\txdsproxy\tconnected to upstream XDS server: istiod.istio-system:15012", "connect"),
        (
            "info\txdsproxy\tconnected to delta upstream XDS server: istiod:15012\tid=3",
            "connect",
        ),
        (
            "warn\txdsproxy\tupstream [5] terminated with unexpected error rpc error: EOF",
            "disconnect",
        ),
        ("info\txdsproxy\tdisconnected from XDS server: istiod:15012", "disconnect"),
        (
            "warn\tEnvoy proxy is NOT ready: config received from XDS server, but was rejected: "
            "cds updates: 1 successful, 0 rejected; lds updates: 0 successful, 1 rejected",
            "nack",
        ),
        (
            "warn\tEnvoy proxy is NOT ready: config not received from XDS server",
            "other",
        ),
    ],
)
def test_the_agents_lines_are_never_istiods(rest: str, event: str) -> None:
    line = f"{TIME}\t{rest}"
    fields = agent.read(line)

    assert istiod.read(line) is None
    assert envoy_log.read(line) is None
    assert fields is not None
    assert fields["event"] == event


@pytest.mark.parametrize(
    "message",
    [
        "ADS: new connection for node:nginx.test-18",
        "XDS: Incremental Pushing:0 ConnectedEndpoints:2",
        "SDS: PUSH request for node:nginx.test resources:1 size:4.0kB",
        'ADS: "@" nginx.test-18 terminated with stream closed',
    ],
)
def test_what_the_agents_own_secret_server_says_is_no_event(message: str) -> None:
    fields = agent.read(f"{TIME}\tinfo\tads\t{message}")

    assert fields is not None
    assert fields["event"] == "other"


@pytest.mark.parametrize(
    "line",
    [
        "[2018-03-02 22:27:32.337][23][debug][http] external/envoy/source/a.cc:447] [C1175] done",
        "[2019-10-14 10:56:06.963][326][debug][router] [source/common/router/router.cc:332] match",
        "[Envoy (Epoch 0)] [2020-10-16 07:46:36.184][31][warning][config] [src/a.cc:54] closed",
        "2022-04-02T18:29:55.979860299Z stderr F [2022-04-02 18:29:55.979][1][info][upstream] "
        "[source/common/upstream/cds_api_helper.cc:30] cds: add 1 cluster(s), remove 2 cluster(s)",
        f"{TIME}     debug   envoy http2     [C294494] invalid http2",
        f"{TIME}        debug        envoy http external/envoy/source/a.cc:1838    [C1] encoding",
        '{"level":"warning","time":"2021-04-06T10:04:24.054152Z","scope":"envoy config","msg":"x"}',
        '{"time":"2024-09-21T19:41:59.061090Z","level":"debug","scope":"envoy http","msg":"Sending',
    ],
)
def test_envoys_own_log_is_seen_in_every_prefix(line: str) -> None:
    fields = envoy_log.read(line)

    assert fields is not None
    assert fields["scope"].startswith("envoy ")
    assert fields["event"] == "other"
    assert istiod.read(line) is None
    assert agent.read(line) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            f"{TIME}\twarning\tenvoy config\tStreamAggregatedResources gRPC config stream closed: "
            "14, no healthy upstream",
            {"event": "disconnect", "error": "14, no healthy upstream"},
        ),
        (
            f"{TIME}\twarning\tenvoy config ./source/extensions/grpc_stream.h:189\t"
            "DeltaAggregatedResources gRPC config stream to xds-grpc closed since 263s ago: 14, "
            "EOF\tthread=22",
            {"event": "disconnect", "error": "14, EOF"},
        ),
        (
            "[Envoy (Epoch 0)] [2020-10-16 07:46:36.184][31][warning][config] "
            "[bazel-out/k8/grpc_stream.h:91] gRPC config for type.googleapis.com/"
            "envoy.api.v2.Listener rejected: Error adding/updating listener(s) 0.0.0.0_80",
            {
                "event": "nack",
                "type": "LDS",
                "error": "Error adding/updating listener(s) 0.0.0.0_80",
            },
        ),
        (
            f"{TIME}\twarning\tenvoy config external/envoy/a.cc:112\tgRPC config for "
            "type.googleapis.com/envoy.config.cluster.v3.Cluster rejected: no such filter",
            {"event": "nack", "type": "CDS", "error": "no such filter"},
        ),
        (
            f"{TIME}\twarning\tenvoy config\tStreamSecrets gRPC config stream closed: 8, too large",
            {"event": "other"},
        ),
    ],
)
def test_envoy_tells_of_lost_streams_and_refused_configuration(
    line: str, expected: dict[str, Any]
) -> None:
    fields = envoy_log.read(line)

    assert fields is not None
    assert {key: fields.get(key) for key in expected} == expected


@given(st.text(max_size=200))
def test_no_text_makes_the_readers_raise(text: str) -> None:
    for line in (text, f"{TIME}\t{text}", f"{TIME}\tinfo\t{text}", "{" + text, f"[{text}]"):
        for fields in (agent.read(line), envoy_log.read(line)):
            assert fields is None or {"time", "level", "scope", "event"} <= fields.keys()
