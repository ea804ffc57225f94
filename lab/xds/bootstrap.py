"""What an Envoy is started with, as pilot-agent writes it."""

from __future__ import annotations

from typing import Any

from lab.mesh import ADMIN_PORT, XDS_PORT, Mesh, Pod

_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
ISTIO_OF_ENVOY = {"1.36": "1.28.2", "1.40": "1.32.0"}
"""One Envoy minor per Istio minor."""


def bootstrap(mesh: Mesh, pod: Pod, istio_version: str) -> dict[str, Any]:
    """The bootstrap of a pod's Envoy: its node, its admin port, and where the control plane is."""
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {
        "node": _node(pod, istio_version),
        "admin": {"address": _address(pod.ip, ADMIN_PORT)},
        "dynamic_resources": {
            "lds_config": source,
            "cds_config": source,
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
        },
        "static_resources": {"clusters": [_xds(mesh, pod)]},
    }


def _node(pod: Pod, istio_version: str) -> dict[str, Any]:
    service = pod.service
    kind = "router" if pod.gateway else "sidecar"
    domain = f"{service.namespace}.svc.cluster.local"
    return {
        "id": f"{kind}~{pod.ip}~{pod.id}~{domain}",
        "cluster": f"{service.name}.{service.namespace}",
        "locality": {},
        "metadata": {
            "NAME": pod.name,
            "NAMESPACE": service.namespace,
            "WORKLOAD_NAME": f"{service.name}-v1",
            "CLUSTER_ID": "Kubernetes",
            "ISTIO_VERSION": istio_version,
            "MESH_ID": "cluster.local",
            "LABELS": labels(pod),
            "INSTANCE_IPS": pod.ip,
            "PROXY_CONFIG": {},
        },
    }


def labels(pod: Pod) -> dict[str, str]:
    """The labels of a pod, as the injector completes them."""
    template = pod.name.rsplit("-", 2)[1]
    return {
        "app": pod.service.name,
        "version": "v1",
        "istio.io/rev": "default",
        "pod-template-hash": template,
        "service.istio.io/canonical-name": pod.service.name,
        "service.istio.io/canonical-revision": "v1",
        "security.istio.io/tlsMode": "istio",
    }


def _xds(mesh: Mesh, pod: Pod) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(mesh.xds, XDS_PORT)}}
    return {
        "name": "xds-grpc",
        "type": "STATIC",
        "connect_timeout": "1s",
        "upstream_bind_config": {"source_address": {"address": pod.ip, "port_value": 0}},
        "typed_extension_protocol_options": {
            _HTTP: {
                "@type": f"type.googleapis.com/{_HTTP}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "xds-grpc",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _address(ip: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}
