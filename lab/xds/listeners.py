"""Listeners (LDS) of a proxy.

Istio redirects a pod's traffic with iptables; here the application tells the outbound listener by
the PROXY protocol where it wanted to go, and peers connect to the inbound ports themselves.
"""

from __future__ import annotations

from typing import Any

from lab.formats import unmatched_only
from lab.mesh import (
    AUTHZ_PORT,
    GATEWAY_PORT,
    GRPC_PORT,
    HTTP_PORT,
    OUTBOUND_PORT,
    SERVICES,
    TCP_PORT,
    Mesh,
    Pod,
)
from lab.policy import Policy
from lab.xds import tls
from lab.xds.routes import GATEWAY_ROUTES, SIDECAR_ROUTES

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_EXTENSIONS = "type.googleapis.com/envoy.extensions."
_HCM = f"{_EXTENSIONS}filters.network.http_connection_manager.v3.HttpConnectionManager"
_PROXY = f"{_EXTENSIONS}filters.listener.proxy_protocol.v3.ProxyProtocol"
_INSPECTOR = f"{_EXTENSIONS}filters.listener.tls_inspector.v3.TlsInspector"
_RDS = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
Logs = list[dict[str, Any]]


def listeners(
    mesh: Mesh, pod: Pod, policy: Policy, certificates: str, logs: Logs
) -> list[dict[str, Any]]:
    """All listeners of a proxy."""
    if pod.gateway:
        found = [_gateway(pod, logs)]
    else:
        socket = tls.server(certificates, pod.service, policy.tls)
        found = [
            _virtual_outbound(pod, logs),
            _outbound_http(logs),
            _outbound_tcp(mesh, logs),
            _inbound(pod, "virtualInbound", HTTP_PORT, [_inbound_http(pod, HTTP_PORT, logs)]),
        ]
        if pod.service.name == "cart":
            filters = [_tcp(f"inbound|{TCP_PORT}||", logs)]
            found.append(_inbound(pod, f"inbound_{TCP_PORT}", TCP_PORT, filters))
        if pod.service.name == "catalog":
            filters = [_inbound_http(pod, GRPC_PORT, logs)]
            found.append(_inbound(pod, f"inbound_{GRPC_PORT}", GRPC_PORT, filters))
        for listener in found[3:]:
            listener["filter_chains"][0]["transport_socket"] = socket
            listener["access_log"] = [unmatched_only(log) for log in logs]
    for listener in found:
        listener["metadata"] = {"filter_metadata": {"istio": {"note": policy.note}}}
    return [*found, _broken(pod)] if policy.broken else found


def _listener(name: str, address: str, port: int, filters: Logs) -> dict[str, Any]:
    return {
        "@type": LISTENER,
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }


def _gateway(pod: Pod, logs: Logs) -> dict[str, Any]:
    manager = {
        "route_config_name": GATEWAY_ROUTES,
        "config_source": _RDS,
    }
    filters = [_http("outbound_0.0.0.0_8080", {"rds": manager}, logs, edge=True)]
    return _listener(f"0.0.0.0_{GATEWAY_PORT}", pod.ip, GATEWAY_PORT, filters)


def _virtual_outbound(pod: Pod, logs: Logs) -> dict[str, Any]:
    return {
        **_listener("virtualOutbound", pod.ip, OUTBOUND_PORT, [_tcp("PassthroughCluster", logs)]),
        "traffic_direction": "OUTBOUND",
        "use_original_dst": True,
        "listener_filters": [
            {"name": "envoy.filters.listener.proxy_protocol", "typed_config": {"@type": _PROXY}}
        ],
    }


def _outbound_http(logs: Logs) -> dict[str, Any]:
    manager = {"route_config_name": SIDECAR_ROUTES, "config_source": _RDS}
    filters = [_http(f"outbound_0.0.0.0_{HTTP_PORT}", {"rds": manager}, logs)]
    return {
        **_listener(f"0.0.0.0_{HTTP_PORT}", "0.0.0.0", HTTP_PORT, filters),
        "bind_to_port": False,
        "traffic_direction": "OUTBOUND",
    }


def _outbound_tcp(mesh: Mesh, logs: Logs) -> dict[str, Any]:
    cart = next(one for one in SERVICES if one.name == "cart")
    address = mesh.cluster_ip(cart.name)
    filters = [_tcp(f"outbound|{TCP_PORT}||{cart.host}", logs)]
    return {
        **_listener(f"{address}_{TCP_PORT}", address, TCP_PORT, filters),
        "bind_to_port": False,
        "traffic_direction": "OUTBOUND",
    }


def _inbound(pod: Pod, name: str, port: int, filters: Logs) -> dict[str, Any]:
    return {
        **_listener(name, pod.ip, port, filters),
        "traffic_direction": "INBOUND",
        "listener_filters": [
            {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": _INSPECTOR}}
        ],
    } | {
        "filter_chains": [{"filter_chain_match": {"transport_protocol": "tls"}, "filters": filters}]
    }


def _inbound_http(pod: Pod, port: int, logs: Logs) -> dict[str, Any]:
    cluster = f"inbound|{port}||"
    route = {
        "name": cluster,
        "virtual_hosts": [
            {
                "name": f"inbound|http|{port}",
                "domains": ["*"],
                "routes": [
                    {
                        "name": "default",
                        "match": {"prefix": "/"},
                        "route": {"cluster": cluster, "timeout": "0s"},
                    }
                ],
            }
        ],
        "validate_clusters": False,
    }
    checked = pod.service.name == "payments"
    return _http(f"inbound_0.0.0.0_{port}", {"route_config": route}, logs, checked=checked)


def _http(
    prefix: str, routing: dict[str, Any], logs: Logs, *, edge: bool = False, checked: bool = False
) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": _HCM,
            "stat_prefix": prefix,
            **routing,
            "http_filters": [*([_authz()] if checked else []), _router()],
            "access_log": logs,
            "use_remote_address": edge,
            "normalize_path": True,
            "server_name": "istio-envoy",
            "stream_idle_timeout": "0s",
        },
    }


def _router() -> dict[str, Any]:
    kind = f"{_EXTENSIONS}filters.http.router.v3.Router"
    return {"name": "envoy.filters.http.router", "typed_config": {"@type": kind}}


def _authz() -> dict[str, Any]:
    cluster = f"outbound|{AUTHZ_PORT}||authz.default.svc.cluster.local"
    return {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": f"{_EXTENSIONS}filters.http.ext_authz.v3.ExtAuthz",
            "http_service": {
                "server_uri": {
                    "uri": f"http://authz.default:{AUTHZ_PORT}",
                    "cluster": cluster,
                    "timeout": "0.6s",
                },
                "path_prefix": "/check",
            },
        },
    }


def _tcp(cluster: str, logs: Logs) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": f"{_EXTENSIONS}filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": cluster,
            "cluster": cluster,
            "access_log": logs,
        },
    }


def _broken(pod: Pod) -> dict[str, Any]:
    """What an EnvoyFilter with a mistake makes: a listener without filters."""
    listener = _listener("broken", pod.ip, 15099, [])
    listener["filter_chains"] = []
    return listener
