"""The Envoys: started as pilot-agent starts them, and asked whether they are ready."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

from detector.clock import monotonic_s
from lab import parts
from lab.mesh import ADMIN_PORT, GATEWAY_PORT, HTTP_PORT, OUTBOUND_PORT, Mesh, Pod
from lab.process import LabError, Processes
from lab.xds.bootstrap import ISTIO_OF_ENVOY, bootstrap

DRAIN_S = 5
"""Istio's is 45; a lab has no time for that."""
FLUSH_MS = 500
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start(processes: Processes, mesh: Mesh, pod: Pod, folder: Path) -> None:
    """Start a pod's Envoy; its output goes to ``logs/POD.log``, its errors to ``proxy/POD.log``."""
    envoy = parts.binary(old=pod.old)
    version = ISTIO_OF_ENVOY.get(parts.minor(envoy), "1.32.0")
    config = folder / "bootstrap" / f"{pod.name}.json"
    config.write_text(json.dumps(bootstrap(mesh, pod, version)))
    with (
        (folder / "logs" / f"{pod.name}.log").open("ab") as out,
        (folder / "proxy" / f"{pod.name}.log").open("ab") as errors,
    ):
        processes.start(
            [
                str(envoy),
                "-c",
                str(config),
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--drain-time-s",
                str(DRAIN_S),
                "--drain-strategy",
                "immediate",
                "--local-address-ip-version",
                "v4",
                "--file-flush-interval-msec",
                str(FLUSH_MS),
                "--allow-unknown-static-fields",
                "-l",
                "warning",
                "--component-log-level",
                "misc:error",
                "--log-format",
                "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t",
            ],
            stdout=out,
            stderr=errors,
        )


def wait_ready(pods: tuple[Pod, ...], folder: Path, timeout_s: float) -> None:
    """Wait until every Envoy listens where the mesh says it does.

    Raises:
        LabError: naming the pod and the addresses that are missing.
    """
    deadline = monotonic_s() + timeout_s
    for pod in pods:
        port = GATEWAY_PORT if pod.gateway else HTTP_PORT
        wanted = {f"{pod.ip}:{port}"} | (set() if pod.gateway else {f"{pod.ip}:{OUTBOUND_PORT}"})
        while missing := wanted - _listening(pod):
            if monotonic_s() > deadline:
                names = ", ".join(sorted(missing))
                said = (folder / "proxy" / f"{pod.name}.log").read_text(errors="replace")
                raise LabError(f"{pod.name} does not listen at {names}. It said: {said[-1500:]}")
            time.sleep(0.05)


def _listening(pod: Pod) -> set[str]:
    """Addresses of a pod's active listeners; none while it is not ready."""
    base = f"http://{pod.ip}:{ADMIN_PORT}"
    try:
        with _DIRECT.open(f"{base}/ready", timeout=1):
            pass
        with _DIRECT.open(f"{base}/listeners?format=json", timeout=1) as answer:
            statuses = json.load(answer).get("listener_statuses", [])
    except (OSError, urllib.error.URLError):
        return set()
    sockets = [one["local_address"]["socket_address"] for one in statuses]
    return {f"{one['address']}:{one['port_value']}" for one in sockets}
