"""istiod's log lines, of every version since 1.2: what the control plane did to which proxy.

The shapes and the versions that print them are taken from Istio's sources (pilot/pkg/xds and its
predecessor pilot/pkg/proxy/envoy/v2). A line that fits none of them is still istiod's, with the
event ``other``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pipelines.formats import agent, envoy_log, istio_log
from pipelines.formats.istio_log import LogLine

Fields = dict[str, Any]

_ELAPSED = r"[\d.]+(?:ns|us|µs|ms|s|m|h)[\d.a-zµ]*"
_DEBOUNCE = re.compile(
    r"Push debounce stable\[(?P<id>\d+)\] (?P<events>\d+)"
    rf"(?: for (?P<what>config|reason) (?P<config>.+?)(?=: {_ELAPSED} since last|$))?"
    rf"(?P<rest>.*)"
)
_FULL = re.compile(r"\bfull=(true|false)")
_FORCED = re.compile(r"\bforced=(true|false)")
_PUSHING = re.compile(
    r"XDS: ?(?P<part>Incremental |EDSInc )?Pushing(?::(?P<version>\S+))?(?= |$)(?P<rest>.*)"
)
_PUSHING_NODE = re.compile(r"Pushing (?P<node>\S+)$")
_NODE_PUSH = re.compile(
    r"(?:ADS:)?(?P<type>[A-Z]{2,5}|[\w./]+): (?:[A-Z]+ )?PUSH(?P<inc> INC)?(?P<request> request)?"
    r" for (?:warming\.?|(?:node: ?|(?=\S+~))(?P<node>\S+))(?P<rest>.*)"
)
_CONNECT = re.compile(r"d?ADS: new (?:delta )?connection for node: ?(?P<node>\S+)")
_REQUEST = re.compile(r"d?ADS:(?P<type>\w+): REQ\s+(?P<rest>.*)")
_ACK = re.compile(r"d?ADS:(?P<type>\w+): ACK\s+(?P<node>\S+)")
_NACK = re.compile(r"d?ADS(?::(?P<type>\w+))?: ACK ERROR (?P<rest>.*)", re.DOTALL)
_TERMINATED = re.compile(
    r'd?ADS: "[^"]*" (?P<node>\S*) ?terminated(?: with error:| with stream closed)? ?(?P<error>.*)'
)
_PEER = re.compile(r"[^\s~]+:\d+")
_CONNECTION = re.compile(r"\S+~\S+~\S+~\S+|\S+\.[\w-]+-\d+")
_NUMBERS = re.compile(
    r"\b(resources|removed|clusters|services|listeners|routes|endpoints|empty|filtered):(\d+)\b"
)
_TEXTS = re.compile(r"\b(size|cached|version|nonce):(\S+)")
_SERVICES = re.compile(r"\bServices:(\d+)")
_ENDPOINTS = re.compile(r"\bConnectedEndpoints:(\d+)")
_PUSH_VERSION = re.compile(r"\bVersion:(\S+/\d+)(?= |$)")
_BANNER = re.compile(
    r"[Vv]ersion: ?(?P<version>\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc|dev)[\w.]*)?)"
)
_START = re.compile(r"Star(?:t)?ing Istiod Server|Starting Istio Pilot|Starting pilot discovery")
_READY = re.compile(r"All caches have been synced up")
_STOP = re.compile(r"Istiod server (?:stopped|terminated)|Server shutdown|Shutting down Istiod")
_ROTATION = re.compile(
    r"Update Istiod cacerts|Istiod has detected the newly added intermediate CA"
    r"|Root certificate rotation is completed|Successfully reloaded root cert into KeyCertBundle"
)
_LIFECYCLES = (
    ("start", "startup", _START),
    ("ready", "startup", _READY),
    ("stop", "other", _STOP),
    ("rotation", "other", _ROTATION),
)
_STARTUP = re.compile(
    r"FLAG: |[Ii]nitializing |[Ss]tart?ing (?!new push)|All controller caches|[Ww]aiting for "
    r"|(?:kube )?controller \S+ (?:is syncing|synced)|\S+ CA has started|[Cc]reating CA "
    r"|attempting to acquire leader|successfully acquired lease|leader election lock obtained"
    r"|bypassing leader election|Primary Cluster|Adding \w+ (?:registry|cluster)|HTTP server "
    r"|Listening on|(?:Using|Use) (?:istiod |self-signed|plugged-in|existing )|JWT policy is "
    r"|mesh (?:networks )?configuration(?: source|: |$)|Generating istiod|Number of remote clusters"
)
_CONFIG = re.compile(
    r"Full push, |Incremental push, |mesh configuration updated|Handle (?:event|EDS)"
    r"|[Cc]onstructed http route config|Loaded MeshNetworks|mesh networks updated"
    r"|[Ss]ervice accounts? changed"
)


def read(line: str) -> Fields | None:
    """Fields of an istiod line, or None when it is not in Istio's format or not istiod's.

    Lines cut before the time are taken when they begin as only istiod's do; continuation lines of
    multi-line records (a NACK's message, ``Push Status``) have no head and give None.
    """
    entry = istio_log.split(line)
    if entry is None:
        bare = LogLine(None, None, None, line.strip())
        said = _said(bare.message)
        return {"time": None, "level": None, "scope": None, **said} if said else None
    return _fields(entry)


def read_json(document: dict[str, Any]) -> Fields | None:
    """The same from a JSON log record."""
    return _fields(istio_log.of_document(document))


def _fields(entry: LogLine | None) -> Fields | None:
    if entry is None or envoy_log.claims(entry) or agent.claims(entry):
        return None
    said = _said(entry.message) or _lifecycle(entry.message) or {"event": "other"}
    return {"time": entry.time, "level": entry.level, "scope": entry.scope, **said}


def _said(message: str) -> Fields | None:
    """What a message of the ADS server says; None when it is not one of its shapes."""
    for shape, fields in _SHAPES:
        match = shape.match(message)
        if match is not None:
            return fields(match)
    return None


def _debounce(match: re.Match[str]) -> Fields:
    said: Fields = {
        "event": "debounce",
        "debounce_id": int(match["id"]),
        "debounced_events": int(match["events"]),
    }
    if match["config"]:
        said["config" if match["what"] == "config" else "reason"] = match["config"]
    for key, pattern in (("full", _FULL), ("forced", _FORCED)):
        flag = pattern.search(match["rest"])
        if flag is not None:
            said[key] = flag[1] == "true"
    return said


def _pushing(match: re.Match[str]) -> Fields:
    said: Fields = {"event": "push", "full": match["part"] is None}
    rest = match["rest"]
    version = _PUSH_VERSION.search(rest)
    if version is not None or match["version"]:
        said["version"] = version[1] if version is not None else match["version"]
    for key, pattern in (("services", _SERVICES), ("connected_endpoints", _ENDPOINTS)):
        count = pattern.search(rest)
        if count is not None:
            said[key] = int(count[1])
    return said


def _pushing_node(match: re.Match[str]) -> Fields:
    return {"event": "push", "proxy_id": match["node"]}


def _node_push(match: re.Match[str]) -> Fields:
    said: Fields = {"event": "push", "type": match["type"]}
    if match["node"] is None:
        return said
    said["proxy_id"] = match["node"]
    said |= {key: int(count) for key, count in _NUMBERS.findall(match["rest"])}
    said |= dict(_TEXTS.findall(match["rest"]))
    if match["request"]:
        said["request"] = True
    if match["inc"]:
        said["full"] = False
    return said


def _connect(match: re.Match[str]) -> Fields:
    return {"event": "connect", "proxy_id": match["node"]}


def _request(match: re.Match[str]) -> Fields:
    """``REQ`` of CDS at info marks a connection up to 1.7; with a nonce it is debug chatter."""
    said: Fields = {"event": "other", "type": match["type"]}
    words = match["rest"].split()
    connection = next((word for word in words if _CONNECTION.fullmatch(word)), None)
    if connection is not None:
        said["proxy_id"] = connection
    versions = [word[len("version:") :] for word in words if word.startswith("version:")]
    chatter = any(word.startswith(("nonce:", "resources:")) for word in words)
    if versions and versions[0]:
        said["version"] = versions[0]
    if versions and not chatter and match["type"] == "CDS" and connection is not None:
        said["event"] = "connect"
    return said


def _ack(match: re.Match[str]) -> Fields:
    return {"event": "other", "type": match["type"], "proxy_id": match["node"], "ack": True}


def _nack(match: re.Match[str]) -> Fields:
    said: Fields = {"event": "nack"}
    if match["type"]:
        said["type"] = match["type"]
    first, rest = _first_word(match["rest"])
    if _PEER.fullmatch(first):
        first, rest = _first_word(rest)
    if first:
        said["proxy_id"] = first
    rest = re.sub(r"^\([^)\s]*\) ", "", rest.strip())
    if rest:
        said["error"] = rest
    return said


def _first_word(text: str) -> tuple[str, str]:
    words = text.strip().split(maxsplit=1)
    return words[0] if words else "", words[1] if len(words) > 1 else ""


def _terminated(match: re.Match[str]) -> Fields:
    said: Fields = {"event": "disconnect"}
    if match["node"]:
        said["proxy_id"] = match["node"]
    if match["error"].strip():
        said["error"] = match["error"].strip()
    return said


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Fields]], ...] = (
    (_NODE_PUSH, _node_push),
    (_PUSHING, _pushing),
    (_DEBOUNCE, _debounce),
    (_CONNECT, _connect),
    (_TERMINATED, _terminated),
    (_NACK, _nack),
    (_ACK, _ack),
    (_REQUEST, _request),
    (_PUSHING_NODE, _pushing_node),
)


def _lifecycle(message: str) -> Fields | None:
    banner = _BANNER.match(message)
    if banner is not None:
        return {"event": "startup", "lifecycle": "start", "istio_version": banner["version"]}
    for lifecycle, event, pattern in _LIFECYCLES:
        if pattern.match(message):
            return {"event": event, "lifecycle": lifecycle}
    if _STARTUP.match(message):
        return {"event": "startup"}
    return {"event": "config"} if _CONFIG.match(message) else None
