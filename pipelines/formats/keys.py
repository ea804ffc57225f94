"""The names that custom JSON and key=value formats give to Envoy's fields.

A key is compared in one spelling: lower case, words joined by ``_``, without the ``:`` of a
pseudo-header or the ``*`` of Markdown. ``responseCode``, ``response-code`` and
``RESPONSE_CODE`` are the same. Where several keys of one record name the same field, the one
listed first wins.
"""

from __future__ import annotations

import re

ISTIO_KEYS = {
    "start_time": "start_time",
    "method": "method",
    "path": "path",
    "protocol": "protocol",
    "response_code": "response_code",
    "response_flags": "response_flags",
    "response_code_details": "response_code_details",
    "connection_termination_details": "connection_termination_details",
    "upstream_transport_failure_reason": "upstream_transport_failure_reason",
    "bytes_received": "bytes_received",
    "bytes_sent": "bytes_sent",
    "duration": "duration_ms",
    "upstream_service_time": "upstream_service_time_ms",
    "x_forwarded_for": "x_forwarded_for",
    "user_agent": "user_agent",
    "request_id": "request_id",
    "authority": "authority",
    "upstream_host": "upstream_host",
    "upstream_cluster": "upstream_cluster",
    "upstream_local_address": "upstream_local_address",
    "downstream_local_address": "downstream_local_address",
    "downstream_remote_address": "downstream_remote_address",
    "requested_server_name": "requested_server_name",
    "route_name": "route_name",
}
"""Istio's own JSON keys, and the fields they carry."""

_OTHER_SPELLINGS = {
    "start_time": "@timestamp timestamp starttime request_start_time time_start time ts",
    "method": "req_method request_method http_method verb http_request_method http.method "
    "http.request.method requestmethod",
    "path": "x_envoy_origin_path x_envoy_original_path req_path request_path original_path uri "
    "request_uri http_path url_path url.path http.target http_target request_url requesturl url "
    "http.url request",
    "protocol": "http_protocol request_protocol http_version network.protocol",
    "response_code": "status_code http_status http_status_code response_status status "
    "http.status_code http.response.status_code http.response.status_code resp_code "
    "response_status_code http_response_code code",
    "response_flags": "response_flag flags envoy_response_flags upstream_response_flags "
    "resp_flags envoy.response_flags",
    "response_code_details": "response_details status_details response_code_detail "
    "code_details resp_code_details envoy.response_code_details",
    "connection_termination_details": "connection_termination_detail termination_details",
    "upstream_transport_failure_reason": "transport_failure_reason upstream_failure_reason "
    "upstream_transport_failure",
    "bytes_received": "bytes_in request_bytes rx_bytes received_bytes http.request.body.bytes "
    "request_body_bytes",
    "bytes_sent": "bytes_out response_bytes tx_bytes sent_bytes http.response.body.bytes "
    "body_bytes_sent response_body_bytes",
    "duration_ms": "duration_ms total_time_ms request_duration_ms duration_millis "
    "response_time_ms latency_ms total_duration total_duration_ms",
    "upstream_service_time_ms": "x_envoy_upstream_service_time upstream_service_time_ms "
    "upstream_response_time_ms",
    "x_forwarded_for": "xff xfor forwarded_for http_x_forwarded_for "
    "request.headers.x_forwarded_for",
    "user_agent": "useragent http_user_agent agent ua user_agent.original http.user_agent "
    "http.useragent",
    "request_id": "x_request_id req_id requestid envoy_request_id http.request.id",
    "authority": "host http_host req_authority request_authority http_authority request_host "
    "http.host "
    "server_name domain vhost",
    "upstream_host": "upstream_address upstream_remote_address upstream_addr upstream "
    "upstream_ip upstream_peer",
    "upstream_cluster": "upstream_cluster_raw upstream_cluster_name upstream_name cluster "
    "cluster_name",
    "upstream_local_address": "upstream_local upstream_local_addr",
    "downstream_local_address": "downstream_local downstream_local_addr",
    "downstream_remote_address": "downstream_remote downstream_remote_addr downstream_address "
    "downstream_peer_address downstream_direct_remote_address",
    "requested_server_name": "sni tls_sni requested_sni requested_servername requested_server",
    "route_name": "route",
}

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_BY_SPELLING: dict[str, tuple[str, int]] = {}
for _key, _field in ISTIO_KEYS.items():
    _BY_SPELLING[_key] = (_field, 0)
for _field, _spellings in _OTHER_SPELLINGS.items():
    for _rank, _key in enumerate(_spellings.split(), 1):
        _BY_SPELLING.setdefault(_key, (_field, _rank))

_ENVOYS_ALONE = frozenset(
    {
        "response_code_details",
        "connection_termination_details",
        "upstream_transport_failure_reason",
    }
)
_ENVOYS_BY_NAME = frozenset(
    {
        "upstream_cluster",
        "upstream_host",
        "downstream_local_address",
        "downstream_remote_address",
        "requested_server_name",
        "route_name",
    }
)


def tells(field: str, rank: int) -> bool:
    """Whether a field under its ``rank``-th name is one that only Envoy writes.

    A record with a status but none of them is another program's log: web servers, too, name
    an upstream and a host.
    """
    if field == "upstream_service_time_ms":
        return rank <= 1  # x-envoy-upstream-service-time is Envoy's name as well
    return field in _ENVOYS_ALONE or (field in _ENVOYS_BY_NAME and rank == 0)


def spell(key: str) -> str:
    """The one spelling of a key that is compared."""
    plain = key.strip().strip("*:%")
    return _WORDS.sub("_", plain).lower().replace("-", "_").replace(" ", "_")


def field_of(key: str) -> tuple[str, int] | None:
    """The field that a key (already in the one spelling) names, and its rank among its names."""
    return _BY_SPELLING.get(key)
