"""All resources of a proxy, by type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.formats import access_log
from lab.mesh import Mesh, Pod
from lab.policy import Policy
from lab.xds.clusters import CLUSTER, ENDPOINTS, clusters, endpoints
from lab.xds.listeners import LISTENER, listeners
from lab.xds.routes import ROUTES, routes

CDS, EDS, LDS, RDS = "CDS", "EDS", "LDS", "RDS"
TYPES = {CDS: CLUSTER, EDS: ENDPOINTS, LDS: LISTENER, RDS: ROUTES}


@dataclass(frozen=True, slots=True)
class Scene:
    """What does not change while a lab runs."""

    mesh: Mesh
    certificates: str
    logs: Sequence[tuple[str, str]]  # layout, path; ``{pod}`` in a path is the pod's name


def resources(
    scene: Scene, pod: Pod, policy: Policy, kind: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    """What a proxy gets; for EDS and RDS, of these names only."""
    if kind == CDS:
        return clusters(scene.mesh, pod, policy, scene.certificates)
    if kind == EDS:
        return endpoints(scene.mesh, policy, list(names))
    if kind == RDS:
        return routes(scene.mesh, policy, list(names))
    logs = [access_log(layout, path.format(pod=pod.name)) for layout, path in scene.logs]
    return listeners(scene.mesh, pod, policy, scene.certificates, logs)
