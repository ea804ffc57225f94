"""Clusters (CDS) and endpoints (EDS) of a proxy."""

from __future__ import annotations

from typing import Any

from lab.mesh import (
    AUTHZ_PORT,
    GRPC_PORT,
    HTTP_PORT,
    SERVICES,
    TCP_PORT,
    Mesh,
    Pod,
    Service,
)
from lab.policy import Policy
from lab.xds import tls

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
STRICT_204_PORT = 9081
CONNECT_TIMEOUT = "10s"
"""Istio's own connectTimeout."""
NARROW = {"catalog": {"max_connections": 16, "max_pending_requests": 8}}
"""What a DestinationRule limits, so that a slow catalog overflows."""
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_H2 = {
    _HTTP: {
        "@type": f"type.googleapis.com/{_HTTP}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def name(service: Service, port: int, policy: Policy) -> str:
    """The cluster that routes name for a service."""
    subset = "v2" if policy.subsets and port == HTTP_PORT else ""
    return f"outbound|{port}|{subset}|{service.host}"


def clusters(mesh: Mesh, pod: Pod, policy: Policy, certificates: str) -> list[dict[str, Any]]:
    """All clusters of a proxy."""
    found = [
        _outbound(pod, service, port, policy, certificates)
        for service in SERVICES
        for port in _ports(service)
    ]
    if pod.gateway:
        return found
    inbound = [_inbound(pod, port, policy) for port in _ports(pod.service)]
    authz = f"outbound|{AUTHZ_PORT}||authz.default.svc.cluster.local"
    special = [
        {**_static(authz, mesh.authz, AUTHZ_PORT), "connect_timeout": "1s"},
        _static("BlackHoleCluster", None, 0),
        {
            "@type": CLUSTER,
            "name": "PassthroughCluster",
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": CONNECT_TIMEOUT,
        },
    ]
    return found + inbound + special


def _ports(service: Service) -> tuple[int, ...]:
    more = {"cart": (TCP_PORT,), "catalog": (GRPC_PORT,)}
    return (HTTP_PORT, *more.get(service.name, ()))


def _outbound(
    pod: Pod, service: Service, port: int, policy: Policy, certificates: str
) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "@type": CLUSTER,
        "name": name(service, port, policy),
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "ads": {},
                "initial_fetch_timeout": "0s",
                "resource_api_version": "V3",
            }
        },
        "connect_timeout": CONNECT_TIMEOUT,
        "upstream_bind_config": {"source_address": {"address": pod.ip, "port_value": 0}},
        "circuit_breakers": {"thresholds": [_limits(service)]},
        "metadata": {"filter_metadata": {"istio": {"note": policy.note}}},
    }
    alpn = "h2" if port == GRPC_PORT else "http/1.1"
    cluster["transport_socket"] = tls.client(certificates, pod.service, service, policy.tls, alpn)
    if port == GRPC_PORT:
        cluster["typed_extension_protocol_options"] = _H2
    return cluster


def _limits(service: Service) -> dict[str, int]:
    no_limit = 4_294_967_295
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {**dict.fromkeys(names, no_limit), **NARROW.get(service.name, {})}


def _inbound(pod: Pod, port: int, policy: Policy) -> dict[str, Any]:
    behind = STRICT_204_PORT if policy.strict_204 and port == HTTP_PORT else port
    cluster = _static(f"inbound|{port}||", pod.app_ip, behind)
    cluster["upstream_bind_config"] = {"source_address": {"address": "127.0.0.6", "port_value": 0}}
    if port == GRPC_PORT:
        cluster["typed_extension_protocol_options"] = _H2
    return cluster


def _static(title: str, address: str | None, port: int) -> dict[str, Any]:
    return {
        "@type": CLUSTER,
        "name": title,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {
            "cluster_name": title,
            "endpoints": [{"lb_endpoints": [_endpoint(address, port)]}] if address else [],
        },
    }


def _endpoint(address: str, port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}


def endpoints(mesh: Mesh, policy: Policy, names: list[str]) -> list[dict[str, Any]]:
    """The pods behind the outbound clusters of these names."""
    found = []
    for title in names:
        _, port, _, host = title.split("|")
        service = next(one for one in SERVICES if one.host == host)
        pods = () if service.name in policy.drained else mesh.of(service.name)
        hosts = [_endpoint(pod.ip, int(port)) for pod in pods]
        found.append(
            {
                "@type": ENDPOINTS,
                "cluster_name": title,
                "endpoints": [{"lb_endpoints": hosts}] if hosts else [],
            }
        )
    return found
