"""A container's line as Fluent Bit (tail, kubernetes filter) hands it on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from lab.mesh import Pod
from lab.xds.bootstrap import labels

SYSTEM = "istio-system"


@dataclass(frozen=True, slots=True)
class Container:
    """Where lines come from."""

    pod: str
    namespace: str
    container: str
    ip: str
    labels: dict[str, str]

    @property
    def stern(self) -> str:
        """The prefix that stern prints."""
        return f"[pod/{self.pod}/{self.container}] "


def sidecar(pod: Pod) -> Container:
    """The istio-proxy container of a pod."""
    return Container(pod.name, pod.service.namespace, "istio-proxy", pod.ip, labels(pod))


def istiod(name: str, ip: str) -> Container:
    """The container of an istiod."""
    marks = {"app": "istiod", "istio": "pilot", "istio.io/rev": "default"}
    return Container(name, SYSTEM, "discovery", ip, marks)


def wrap(source: Container, line: str, at: datetime) -> bytes:
    """The record of one line, read at this time."""
    digest = hashlib.sha256(source.pod.encode()).hexdigest()
    record = {
        "@timestamp": at.timestamp(),
        "time": at.isoformat(),
        "stream": "stdout",
        "_p": "F",
        "log": line,
        "kubernetes": {
            "pod_name": source.pod,
            "namespace_name": source.namespace,
            "pod_id": digest[:32],
            "pod_ip": source.ip,
            "labels": source.labels,
            "host": "lab",
            "container_name": source.container,
            "docker_id": digest,
        },
    }
    return json.dumps(record, ensure_ascii=False).encode()
