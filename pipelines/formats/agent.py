"""pilot-agent's lines inside istio-proxy: never istiod's, though they look alike.

The agent serves secrets to Envoy from an ADS server of its own, so it too prints ``ADS: new
connection for node:…`` and ``SDS: PUSH request …``. Those are about the local socket and give no
control-plane event. What tells of the connection to istiod is the scope ``xdsproxy`` (1.8 on).
"""

from __future__ import annotations

import re
from typing import Any

from pipelines.formats import istio_log
from pipelines.formats.envoy_log import claims as envoys
from pipelines.formats.istio_log import LogLine

SCOPES = frozenset(
    {
        "ca",
        "cache",
        "citadelclient",
        "dns",
        "googleca",
        "healthcheck",
        "iptables",
        "proxyagent",
        "sds",
        "secretfetcher",
        "securityagent",
        "stsserver",
        "trustbundle",
        "wasm",
        "xdsproxy",
    }
)
"""Scopes that only the agent logs in."""

_MESSAGES = re.compile(
    r"Envoy proxy is |Readiness succeeded|Envoy command: |Starting proxy agent"
    r"|Received new config|Epoch \d|Proxy role|Pilot SAN|Effective config: "
    r"|Agent draining Proxy|Graceful termination|Opening status port|Workload SDS socket"
    r"|Envoy (?:may have been|exited)|Apply proxy config|Status server has|CA Endpoint |Using CA "
    r"|failed scraping |Monitored certs: |Reconciling configuration|Version \d|Platform detected"
    r"|PilotSAN|Maximum file desc"
    r"|FLAG: --(?:concurrency|proxy\w+|service[Cc]luster|sts\w+|tokenManager\w+|outlier\w+"
    r"|templateFile|drainDuration|parentShutdown\w+|binaryPath|configPath|discovery\w+"
    r"|zipkin\w+|bootstrapv2|dnsRefreshRate|statsd\w+|customConfigFile)"
)
_CONNECTED = re.compile(r"connected to (?:delta )?upstream XDS server: (?P<server>\S+)")
_LOST = re.compile(
    r"(?:upstream (?:\[\d+\] )?terminated with unexpected error|disconnected from XDS server)[: ]*"
)
_REJECTED = re.compile(r"Envoy proxy is NOT ready: config received .*but was rejected[: ]*")
_LIFECYCLES = (
    ("rotation", "Root cert has changed, start rotating root cert"),
    ("proxy-stop", "Agent draining Proxy"),
    ("proxy-stop", "Graceful termination period is"),
)
_VERSION = re.compile(r"Version (?P<version>\d+\.\d+[\w.-]*)")
_STARTUP = re.compile(
    r"FLAG: |Version \d|Starting |Envoy command: |Proxy role|Envoy proxy is ready|Effective config"
    r"|Readiness succeeded|Opening status port|CA Endpoint|Apply proxy config|Platform detected"
)


def claims(entry: LogLine) -> bool:
    """Whether a line is certainly the agent's, even if no envelope names the container."""
    return entry.scope in SCOPES or (
        entry.scope is None and _MESSAGES.match(entry.message) is not None
    )


def read(line: str) -> dict[str, Any] | None:
    """Fields of a line in Istio's log format that Envoy did not write, or None.

    Every such line of an istio-proxy container is the agent's; where the container is unknown,
    ask ``istiod.read`` first: it leaves what only the agent says.
    """
    entry = istio_log.split(line)
    return None if entry is None or envoys(entry) else fields(entry)


def read_json(document: dict[str, Any]) -> dict[str, Any] | None:
    """The same from a JSON log record."""
    entry = istio_log.of_document(document)
    return None if entry is None or envoys(entry) else fields(entry)


def fields(entry: LogLine) -> dict[str, Any]:
    """What an agent's line says: time, level, scope, event and what the event needs."""
    said: dict[str, Any] = {"time": entry.time, "level": entry.level, "scope": entry.scope}
    message = entry.message
    if entry.scope in {None, "xdsproxy"}:
        if (connected := _CONNECTED.match(message)) is not None:
            return said | {"event": "connect", "server": connected["server"]}
        if (lost := _LOST.match(message)) is not None:
            return said | {"event": "disconnect", "error": message[lost.end() :] or None}
        if (rejected := _REJECTED.match(message)) is not None:
            return said | {"event": "nack", "error": message[rejected.end() :] or None}
    for lifecycle, beginning in _LIFECYCLES:
        if message.startswith(beginning):
            return said | {"event": "other", "lifecycle": lifecycle}
    if (version := _VERSION.match(message)) is not None:
        return said | {"event": "startup", "version": version["version"]}
    return said | {"event": "startup" if _STARTUP.match(message) else "other"}
