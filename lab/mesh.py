"""Who is in the mesh and where: services, pods and their addresses on the loopback network.

Every pod has an address of its own in 127.0.0.0/8, so Istio's port numbers fit side by side. The
second number of all addresses is the lab's own (`lab.claim`); two labs never meet.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from functools import cached_property

HTTP_PORT = 9080
TCP_PORT = 6380
GRPC_PORT = 7070
GATEWAY_PORT = 8080
OUTBOUND_PORT = 15001
ADMIN_PORT = 15000
XDS_PORT = 15010
AUTHZ_PORT = 9000
DOMAIN = "svc.cluster.local"
HOST = "shop.example.com"
"""What clients call the mesh at the gateway."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the mesh; the gateway is one too."""

    name: str
    number: int
    replicas: int
    namespace: str = "default"

    @property
    def host(self) -> str:
        """The full name."""
        return f"{self.name}.{self.namespace}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Pod:
    """A proxy with the application behind it."""

    name: str
    service: Service
    ip: str
    app_ip: str  # the application's own address: in Istio it shares the pod's
    old: bool  # runs the older Envoy

    @property
    def id(self) -> str:
        """As istiod calls the proxy."""
        return f"{self.name}.{self.service.namespace}"

    @property
    def gateway(self) -> bool:
        """Whether it is a gateway."""
        return self.service.name == GATEWAY.name


GATEWAY = Service("istio-ingressgateway", 1, 2, "istio-system")
SERVICES = (
    Service("frontend", 2, 3),
    Service("cart", 3, 2),
    Service("payments", 4, 2),
    Service("catalog", 5, 2),
)
ROUTES = (f"catalog:{HTTP_PORT}", f"cart:{HTTP_PORT}>payments:{HTTP_PORT}")
"""What the front application calls, and what those call in turn."""


@dataclass(frozen=True)
class Mesh:
    """The whole mesh under one second octet.

    Args:
        octet: the second number of all addresses.
        mixed: whether the second pod of each service runs the older Envoy.
    """

    octet: int
    mixed: bool = False

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """All pods, gateways first; their names are the same in every lab."""
        rng = random.Random(7)
        return tuple(
            self._pod(service, n, _name(rng, service, n))
            for service in (GATEWAY, *SERVICES)
            for n in range(1, service.replicas + 1)
        )

    def of(self, *services: str) -> tuple[Pod, ...]:
        """The pods of these services."""
        return tuple(pod for pod in self.pods if pod.service.name in services)

    def cluster_ip(self, service: str) -> str:
        """The address under which applications find a service."""
        number = next(one.number for one in SERVICES if one.name == service)
        return f"127.{self.octet}.200.{number}"

    @property
    def xds(self) -> str:
        """Where proxies find the control plane."""
        return f"127.{self.octet}.0.10"

    @property
    def authz(self) -> str:
        """Where the authorisation service listens."""
        return f"127.{self.octet}.0.30"

    def _pod(self, service: Service, n: int, name: str) -> Pod:
        return Pod(
            name=name,
            service=service,
            ip=f"127.{self.octet}.{service.number}.{n}",
            app_ip=f"127.{self.octet}.{100 + service.number}.{n}",
            old=self.mixed and n == 2,
        )


def _name(rng: random.Random, service: Service, n: int) -> str:
    """A pod's name in the shape that a Deployment gives it."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    own = "".join(rng.choices(letters, k=5))
    template = "".join(random.Random(service.name).choices(string.hexdigits.lower(), k=10))
    version = "" if service is GATEWAY else "-v1"
    return f"{service.name}{version}-{template}-{own}"
