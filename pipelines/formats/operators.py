"""Envoy's command operators: the grammar of an accessLogFormat, and what each one prints.

``%NAME%``, ``%NAME(ARGUMENT)%``, ``%NAME(ARGUMENT):N%`` (at most N characters), ``%%`` (a
percent sign); ``%REQ(X?Y)%`` prints header X, or Y when X is missing.
Source: Envoy's documentation of access logging, "Command Operators".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"%([A-Z0-9_]+)")
_LENGTH = re.compile(r":([0-9]+)%")


class FormatError(ValueError):
    """A format string that Envoy would refuse; ``position`` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at position {position}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Operator:
    """One command operator, as written."""

    name: str
    argument: str = ""
    length: int | None = None

    @property
    def label(self) -> str:
        """The key under which a value without a field of its own is kept: ``grpc_status``."""
        if self.name in ("REQ", "RESP", "TRAILER") and self.argument:
            return f"{self.name.lower()}.{self.argument.partition('?')[0].lower()}"
        argument = f"({self.argument})" if self.argument else ""
        return f"{self.name.lower()}{argument}"

    @property
    def field(self) -> str | None:
        """The name in schema.FIELDS of what it prints; None when there is none."""
        if self.name in _HEADERS:
            asked = [part.strip().upper() for part in self.argument.split("?")]
            found = [_HEADERS[self.name][part] for part in asked if part in _HEADERS[self.name]]
            return found[0] if found else None
        if self.name == "COMMON_DURATION":
            return "duration_ms" if self.argument == "DS_RX_BEG:DS_TX_END:ms" else None
        return _FIELDS.get(self.name)


_REQUEST_HEADERS = {
    ":METHOD": "method",
    ":PATH": "path",
    "X-ENVOY-ORIGINAL-PATH": "path",
    "X-FORWARDED-FOR": "x_forwarded_for",
    "USER-AGENT": "user_agent",
    "X-REQUEST-ID": "request_id",
    ":AUTHORITY": "authority",
    "HOST": "authority",
}
_HEADERS = {
    "REQ": _REQUEST_HEADERS,
    "REQ_WITHOUT_QUERY": _REQUEST_HEADERS,
    "RESP": {
        "X-ENVOY-UPSTREAM-SERVICE-TIME": "upstream_service_time_ms",
        ":STATUS": "response_code",
    },
}
_FIELDS = {
    "START_TIME": "start_time",
    "PATH": "path",
    "PROTOCOL": "protocol",
    "RESPONSE_CODE": "response_code",
    "RESPONSE_FLAGS": "response_flags",
    "RESPONSE_FLAGS_LONG": "response_flags",
    "RESPONSE_CODE_DETAILS": "response_code_details",
    "CONNECTION_TERMINATION_DETAILS": "connection_termination_details",
    "UPSTREAM_TRANSPORT_FAILURE_REASON": "upstream_transport_failure_reason",
    "BYTES_RECEIVED": "bytes_received",
    "BYTES_SENT": "bytes_sent",
    "DURATION": "duration_ms",
    "UPSTREAM_HOST": "upstream_host",
    "UPSTREAM_REMOTE_ADDRESS": "upstream_host",
    "UPSTREAM_CLUSTER": "upstream_cluster",
    "UPSTREAM_CLUSTER_RAW": "upstream_cluster",
    "UPSTREAM_LOCAL_ADDRESS": "upstream_local_address",
    "DOWNSTREAM_LOCAL_ADDRESS": "downstream_local_address",
    "DOWNSTREAM_REMOTE_ADDRESS": "downstream_remote_address",
    "REQUESTED_SERVER_NAME": "requested_server_name",
    "ROUTE_NAME": "route_name",
}

LONG_FLAGS = {
    "NoHealthyUpstream": "UH",
    "UpstreamConnectionFailure": "UF",
    "UpstreamOverflow": "UO",
    "NoRouteFound": "NR",
    "UpstreamRetryLimitExceeded": "URX",
    "NoClusterFound": "NC",
    "DurationTimeout": "DT",
    "FailedLocalHealthCheck": "LH",
    "UpstreamRequestTimeout": "UT",
    "LocalReset": "LR",
    "UpstreamRemoteReset": "UR",
    "UpstreamConnectionTermination": "UC",
    "DelayInjected": "DI",
    "FaultInjected": "FI",
    "RateLimited": "RL",
    "UnauthorizedExternalService": "UAEX",
    "RateLimitServiceError": "RLSE",
    "DownstreamConnectionTermination": "DC",
    "StreamIdleTimeout": "SI",
    "InvalidEnvoyRequestHeaders": "IH",
    "DownstreamProtocolError": "DPE",
    "UpstreamMaxStreamDurationReached": "UMSDR",
    "ResponseFromCacheFilter": "RFCF",
    "NoFilterConfigFound": "NFCF",
    "UpstreamProtocolError": "UPE",
    "OverloadManagerTerminated": "OM",
    "OverloadManager": "OM",
    "DnsResolutionFailed": "DF",
    "DropOverload": "DO",
    "DownstreamRemoteReset": "DR",
    "UnconditionalDropOverload": "UDO",
}
"""What RESPONSE_FLAGS_LONG prints (Envoy's stream_info/utility.h), and the short flags."""


def split(text: str) -> list[str | Operator]:
    """Literals and operators in order; literals are never empty and never adjoin.

    Raises:
        FormatError: a percent sign that begins no operator, or an operator that does not end.
    """
    parts: list[str | Operator] = []
    literal = ""
    at = 0
    while at < len(text):
        if text[at] != "%":
            following = text.find("%", at)
            following = len(text) if following < 0 else following
            literal += text[at:following]
            at = following
        elif text.startswith("%%", at):
            literal += "%"
            at += 2
        else:
            operator, at = _operator(text, at)
            parts += [literal, operator] if literal else [operator]
            literal = ""
    return [*parts, literal] if literal else parts


def _operator(text: str, at: int) -> tuple[Operator, int]:
    """The operator that begins at ``at``, and the place after it."""
    named = _NAME.match(text, at)
    if named is None:
        raise FormatError("a percent sign begins no command operator (write %% for one)", at)
    end, argument = named.end(), ""
    if text.startswith("(", end):
        close = _closing(text, end)
        if close < 0:
            raise FormatError(f"the argument of %{named[1]} does not end", end)
        argument, end = text[end + 1 : close], close + 1
    if limited := _LENGTH.match(text, end):
        return Operator(named[1], argument, int(limited[1][:9])), limited.end()
    if not text.startswith("%", end):
        raise FormatError(f"the command operator %{named[1]} does not end with a percent sign", end)
    return Operator(named[1], argument), end + 1


def _closing(text: str, opening: int) -> int:
    """The bracket that closes the one at ``opening``, or -1."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    return -1
