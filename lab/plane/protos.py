"""Envoy's published protos, from wherever the lab has put them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from google.protobuf import json_format
from google.protobuf.message import Message

_EXTENSIONS = "envoy.extensions."
_NAMED = (
    "envoy.service.discovery.v3.discovery_pb2",
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    f"{_EXTENSIONS}access_loggers.file.v3.file_pb2",
    f"{_EXTENSIONS}filters.http.ext_authz.v3.ext_authz_pb2",
    f"{_EXTENSIONS}filters.http.router.v3.router_pb2",
    f"{_EXTENSIONS}filters.listener.proxy_protocol.v3.proxy_protocol_pb2",
    f"{_EXTENSIONS}filters.listener.tls_inspector.v3.tls_inspector_pb2",
    f"{_EXTENSIONS}filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    f"{_EXTENSIONS}filters.network.tcp_proxy.v3.tcp_proxy_pb2",
    f"{_EXTENSIONS}retry.host.previous_hosts.v3.previous_hosts_pb2",
    f"{_EXTENSIONS}transport_sockets.tls.v3.tls_pb2",
    f"{_EXTENSIONS}upstreams.http.v3.http_protocol_options_pb2",
)
"""Modules whose messages appear inside an Any: each must be known before it can be written."""


class Node(Protocol):
    """envoy.config.core.v3.Node, as far as it is read."""

    id: str


class Status(Protocol):
    """google.rpc.Status."""

    code: int
    message: str


class Request(Protocol):
    """envoy.service.discovery.v3.DiscoveryRequest."""

    node: Node
    type_url: str
    version_info: str
    response_nonce: str
    resource_names: Sequence[str]
    error_detail: Status


class Packed(Protocol):
    """google.protobuf.Any."""

    value: bytes


class Response(Protocol):
    """envoy.service.discovery.v3.DiscoveryResponse."""

    resources: Sequence[Packed]


class _Messages(Protocol):
    DiscoveryRequest: type[Message]
    DiscoveryResponse: type[Message]


@cache
def _discovery() -> _Messages:
    modules: list[Any] = [import_module(name) for name in _NAMED]
    found: _Messages = modules[0]
    return found


def reader() -> Callable[[bytes], Request]:
    """What makes a request of bytes."""
    read: Callable[[bytes], Request] = vars(_discovery())["DiscoveryRequest"].FromString
    return read


def writer() -> Callable[[Response], bytes]:
    """What makes bytes of a response."""
    write: Callable[[Response], bytes] = vars(_discovery())["DiscoveryResponse"].SerializeToString
    return write


def response(
    type_url: str, version: str, nonce: str, resources: Iterable[dict[str, Any]]
) -> Response:
    """A DiscoveryResponse with these resources, which are documents with an ``@type``."""
    document = {
        "versionInfo": version,
        "typeUrl": type_url,
        "nonce": nonce,
        "resources": list(resources),
    }
    made: Any = _discovery().DiscoveryResponse()
    filled: Response = json_format.ParseDict(document, made)
    return filled
