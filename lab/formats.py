"""Istio's access log formats by version, as istiod hands them to Envoy.

Source: EnvoyTextLogFormat and EnvoyJSONLogFormatIstio in istio/istio, listener.go up to 1.7,
accesslog.go from 1.8, telemetry_logging.go from 1.16.
"""

from __future__ import annotations

from typing import Any

_HEAD = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" '
    "%RESPONSE_CODE% %RESPONSE_FLAGS% "
)
_MIXER = '"%DYNAMIC_METADATA(istio.mixer:status)%" '
_REASON = '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" '
_DETAILS = "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
_TAIL = (
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" '
    '"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME%"
)
_ROUTE = " %ROUTE_NAME%"
_RAW = _TAIL.replace("%UPSTREAM_CLUSTER%", "%UPSTREAM_CLUSTER_RAW%")

TEXT = {
    "1.1": _HEAD + _MIXER + _TAIL,
    "1.2": _HEAD + _MIXER + _REASON + _TAIL,
    "1.3": _HEAD + _MIXER + _REASON + _TAIL + _ROUTE,
    "1.8": _HEAD + _REASON + _TAIL + _ROUTE,
    "1.9": _HEAD + _DETAILS + _REASON + _TAIL + _ROUTE,
    "1.23": _HEAD + _DETAILS + _REASON + _RAW + _ROUTE,
}
"""Istio version from which it is written -> format."""

JSON = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
LAYOUTS = (*TEXT, "json")
STDOUT = "/dev/stdout"


def access_log(layout: str, path: str) -> dict[str, Any]:
    """One access log of a listener, in this layout, to this file."""
    if layout == "json":
        form: dict[str, Any] = {"json_format": JSON}
    else:
        form = {"text_format_source": {"inline_string": TEXT[layout] + "\n"}}
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": form,
        },
    }


def unmatched_only(log: dict[str, Any]) -> dict[str, Any]:
    """The same log for a listener: only connections that no filter chain matches."""
    return {**log, "filter": {"response_flag_filter": {"flags": ["NR"]}}}
