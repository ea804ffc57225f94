"""What a proxy prints in any default layout, text or JSON, is read back as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.explain import explain
from pipelines.formats.keys import ISTIO_KEYS

HEAD = '[{start_time}] "{method} {path} {protocol}" {response_code} {response_flags} '
NUMBERS = "{bytes_received} {bytes_sent} {duration_ms} {upstream_service_time_ms} "
HEADERS = '"{x_forwarded_for}" "{user_agent}" "{request_id}" "{authority}" "{upstream_host}"'
TAIL = (
    " {upstream_cluster} {upstream_local_address} {downstream_local_address} "
    "{downstream_remote_address} {requested_server_name}"
)
REASON = '"{upstream_transport_failure_reason}" '
LAYOUTS = {
    "istio-text-1.1": HEAD + '"-" ' + NUMBERS + HEADERS + TAIL,
    "istio-text-1.2": HEAD + '"-" ' + REASON + NUMBERS + HEADERS + TAIL,
    "istio-text-1.3": HEAD + '"-" ' + REASON + NUMBERS + HEADERS + TAIL + " {route_name}",
    "istio-text-1.8": HEAD + REASON + NUMBERS + HEADERS + TAIL + " {route_name}",
    "istio-text-1.9": HEAD
    + "{response_code_details} {connection_termination_details} "
    + REASON
    + NUMBERS
    + HEADERS
    + TAIL
    + " {route_name}",
    "envoy-text": HEAD + NUMBERS + HEADERS,
}

counts = st.integers(0, 2**53)
ports = st.integers(0, 65535)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
hosts = st.lists(names, min_size=1, max_size=4).map(".".join)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(lambda ip: f"[{ip}]")
addresses = st.builds("{}:{}".format, ipv4 | ipv6, ports) | st.just(
    "envoy://internal_client_address/"
)
flags = st.lists(
    st.sampled_from(["UF", "URX", "UH", "NR", "NC", "DC", "UAEX", "ABCDEF"]),
    max_size=3,
    unique=True,
)
agents = (
    st.lists(
        st.sampled_from(["Mozilla/5.0", "(X11; Linux)", '"quoted"', "x" * 40, "é", "a=b", "[1]"]),
        min_size=1,
        max_size=5,
    )
    .map(" ".join)
    .filter(lambda agent: '" "' not in agent)
)
maybe_details = st.none() | st.sampled_from(
    [
        "via_upstream",
        "route_not_found",
        "upstream_reset_before_response_started{connection_failure,TLS_error:_1:SSL:X}",
        "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_1}",
        "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]",
        "downstream_local_disconnect(filter_chain_is_being_removed)",
    ]
)
entries = st.fixed_dictionaries(
    {
        "start_time": st.builds(
            "20{:02d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:03d}Z".format,
            st.integers(10, 60),
            st.integers(1, 12),
            st.integers(1, 28),
            st.integers(0, 23),
            st.integers(0, 59),
            st.integers(0, 59),
            st.integers(0, 999),
        ),
        "method": st.sampled_from(["GET", "POST", "CONNECT", None]),
        "path": st.none() | hosts.map(lambda name: f"/{name}?q=%22&x=1"),
        "protocol": st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3", None]),
        "response_code": st.sampled_from([0, 200, 204, 404, 503]),
        "response_flags": flags,
        "response_code_details": maybe_details,
        "connection_termination_details": st.none() | st.just("rbac_access_denied"),
        "upstream_transport_failure_reason": st.none()
        | st.just("TLS error: Secret is not supplied by SDS")
        | st.just("TLS_error:|268435581:SSL_routines:OPENSSL_internal:X:TLS_error_end"),
        "bytes_received": counts,
        "bytes_sent": counts,
        "duration_ms": counts,
        "upstream_service_time_ms": st.none() | counts,
        "x_forwarded_for": st.none() | st.lists(ipv4, min_size=1, max_size=3).map(", ".join),
        "user_agent": st.none() | agents,
        "request_id": st.none() | st.uuids().map(str),
        "authority": st.none() | hosts | st.builds("{}:{}".format, hosts, ports),
        "upstream_host": st.none() | addresses,
        "upstream_cluster": st.none()
        | st.builds("outbound|{}|v1|{};".format, ports, hosts)
        | st.builds("inbound|{}||".format, ports)
        | st.just("PassthroughCluster"),
        "upstream_local_address": st.none() | addresses,
        "downstream_local_address": addresses,
        "downstream_remote_address": addresses,
        "requested_server_name": st.none() | st.builds("outbound_.{}_._.{}".format, ports, hosts),
        "route_name": st.none() | st.sampled_from(["default", "allow_any", "my.route/0"]),
    }
)


def _printed(entry: Mapping[str, Any]) -> dict[str, str]:
    printed = {name: "-" if value is None else str(value) for name, value in entry.items()}
    printed["response_flags"] = ",".join(entry["response_flags"]) or "-"
    return printed


def _read(text: str) -> dict[str, Any]:
    (answer,) = explain(text.encode())
    assert answer["kind"] == "access"
    assert "partial" not in answer
    return answer


@pytest.mark.parametrize("name", LAYOUTS)
@settings(deadline=None, max_examples=60)
@given(entry=entries)
def test_a_printed_line_is_read_back(name: str, entry: dict[str, Any]) -> None:
    layout = LAYOUTS[name]
    answer = _read(layout.format(**_printed(entry)))
    assert answer["format"] == name
    assert answer["fields"] == {key: entry[key] for key in entry if f"{{{key}}}" in layout}


@settings(deadline=None, max_examples=60)
@given(entry=entries)
def test_a_printed_json_entry_is_read_back_typed_or_as_strings(entry: dict[str, Any]) -> None:
    old = {key: _printed(entry)[field] for key, field in ISTIO_KEYS.items()}
    new = {key: entry[field] for key, field in ISTIO_KEYS.items()}
    new["response_flags"] = old["response_flags"]
    for document in (old, new):
        answer = _read(json.dumps(document))
        assert answer["format"] == "istio-json"
        assert answer["fields"] == entry
