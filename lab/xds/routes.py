"""Routes (RDS) of a proxy."""

from __future__ import annotations

from typing import Any

from lab.mesh import GRPC_PORT, HOST, HTTP_PORT, SERVICES, Mesh, Service
from lab.policy import Policy
from lab.xds import clusters

ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
GATEWAY_ROUTES = "http.8080"
SIDECAR_ROUTES = str(HTTP_PORT)
TIMEOUTS = {"payments": "1.5s"}
"""What a VirtualService limits; the others have Istio's default, no limit."""
_RETRIES = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3."
                "PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": 5,
}


def routes(mesh: Mesh, policy: Policy, names: list[str]) -> list[dict[str, Any]]:
    """The route configurations of these names."""
    made = {GATEWAY_ROUTES: _gateway, SIDECAR_ROUTES: _sidecar}
    return [
        {
            "@type": ROUTES,
            "name": name,
            "virtual_hosts": made[name](mesh, policy),
            "validate_clusters": False,
            "ignore_port_in_host_matching": True,
            "max_direct_response_body_size_bytes": 4096 + policy.note,
        }
        for name in names
        if name in made
    ]


def _gateway(_: Mesh, policy: Policy) -> list[dict[str, Any]]:
    frontend = next(one for one in SERVICES if one.name == "frontend")
    catalog = next(one for one in SERVICES if one.name == "catalog")
    if frontend.name in policy.hidden:
        return []
    return [
        {
            "name": f"{HOST}:80",
            "domains": [HOST],
            "routes": [
                _route(clusters.name(catalog, GRPC_PORT, policy), "/pushwake.traffic.", catalog),
                _route(clusters.name(frontend, HTTP_PORT, policy), "/", frontend),
            ],
        }
    ]


def _sidecar(mesh: Mesh, policy: Policy) -> list[dict[str, Any]]:
    hosts = []
    for service in SERVICES:
        found = [_route(clusters.name(service, HTTP_PORT, policy), "/", service)]
        short = [service.name, f"{service.name}.default", f"{service.name}.default.svc"]
        hosts.append(
            {
                "name": f"{service.host}:{HTTP_PORT}",
                "domains": [service.host, *short, mesh.cluster_ip(service.name)],
                "routes": [] if service.name in policy.hidden else found,
            }
        )
    passthrough = {
        "name": "allow_any",
        "match": {"prefix": "/"},
        "route": {"cluster": "PassthroughCluster", "timeout": "0s"},
    }
    return [*hosts, {"name": "allow_any", "domains": ["*"], "routes": [passthrough]}]


def _route(cluster: str, prefix: str, service: Service) -> dict[str, Any]:
    return {
        "name": "default",
        "match": {"prefix": prefix},
        "route": {
            "cluster": cluster,
            "timeout": TIMEOUTS.get(service.name, "0s"),
            "retry_policy": _RETRIES,
        },
    }
