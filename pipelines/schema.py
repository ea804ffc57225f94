"""Names and dtypes of every frame that crosses a module boundary: the only vocabulary.

All times are UTC. ``ordinal`` is the position of the source record in its batch, so that a
reader can go back from a row to the raw bytes. A null means "not in the line" or ``-``.
"""

from __future__ import annotations

import polars as pl

TIME = pl.Datetime("us", "UTC")

Schema = dict[str, pl.DataType | type[pl.DataType]]

FIELDS: Schema = {
    "start_time": TIME,
    "method": pl.String,
    "path": pl.String,
    "protocol": pl.String,
    "response_code": pl.Int32,
    "response_flags": pl.List(pl.String),
    "response_code_details": pl.String,
    "connection_termination_details": pl.String,
    "upstream_transport_failure_reason": pl.String,
    "bytes_received": pl.Int64,
    "bytes_sent": pl.Int64,
    "duration_ms": pl.Int64,
    "upstream_service_time_ms": pl.Int64,
    "x_forwarded_for": pl.String,
    "user_agent": pl.String,
    "request_id": pl.String,
    "authority": pl.String,
    "upstream_host": pl.String,
    "upstream_cluster": pl.String,
    "upstream_local_address": pl.String,
    "downstream_local_address": pl.String,
    "downstream_remote_address": pl.String,
    "requested_server_name": pl.String,
    "route_name": pl.String,
}
"""Everything an access log entry can say, under the names users see (``pushwake explain``)."""

IDENTITY: Schema = {
    "pod": pl.String,
    "namespace": pl.String,
    "workload": pl.String,
    "node": pl.String,
    "container": pl.String,
    "proxy_version": pl.String,
    "revision": pl.String,
}
"""Who wrote a line, as its envelope says. ``workload`` is the canonical name, or the owner's
name without the pod-template hash; ``proxy_version`` comes from the image tag."""

ACCESS: Schema = {
    "ordinal": pl.UInt32,
    "time": TIME,  # when the response ended: start + duration
    "pod": pl.String,
    "namespace": pl.String,
    "workload": pl.String,
    "proxy_version": pl.String,
    "response_code": pl.Int32,
    "response_flags": pl.String,  # as printed; "-" when none, never null
    "response_code_details": pl.String,
    "upstream_transport_failure_reason": pl.String,
    "bytes_sent": pl.Int64,
    "upstream_cluster": pl.String,
    "authority": pl.String,
    "requested_server_name": pl.String,
    "downstream_local_address": pl.String,
    "downstream_remote_address": pl.String,
    "upstream_host": pl.String,
}
"""Access log entries as the rollup needs them. The rest of a line is read again, from the raw
bytes under ``ordinal``, for the few that become exemplars."""

CONTROL: Schema = {
    "time": TIME,
    "kind": pl.String,  # one of CONTROL_KINDS
    "proxy": pl.String,  # "pod.namespace", null when the event is not about one proxy
    "istiod": pl.String,  # the istiod pod that said it, when the envelope tells
    "version": pl.String,  # Istio version of the control plane, when known
    "revision": pl.String,
    "type": pl.String,  # CDS | EDS | LDS | RDS | ...
    "full": pl.Boolean,
    "request": pl.Boolean,  # the push answers a (re)connecting proxy
    "counter": pl.Int64,  # istiod's push counter since its start
    "push_version": pl.String,
    "proxies": pl.Int64,  # connected endpoints, when the line counts them
    "reason": pl.String,  # what triggered a push or a config change
    "error": pl.String,
    "source": pl.String,  # istiod-log | agent-log | envoy-log | kubernetes | metrics | event
    "node": pl.String,  # where the proxy runs
    "workload": pl.String,  # of the proxy, or "name.namespace" of the one that is rolled out
    "proxy_version": pl.String,  # Istio version of the proxy itself
}
"""Control-plane events, whatever told of them."""

CONTROL_KINDS = (
    "control-plane-start",
    "control-plane-ready",
    "control-plane-stop",
    "push",
    "connect",
    "disconnect",
    "ack",
    "nack",
    "config-change",
    "rotation",  # root or workload certificates were replaced
    "workload-rollout",  # a workload got a new generation of pods, or another number of them
    "proxy",  # a proxy, or another version of it, writes access logs
    "proxy-stop",  # a proxy is told to end: its pod is being deleted
    "sync",  # a proxy is found connected to an istiod; since when, nobody tells
    "notice",  # worth a line in the ledger, no more: leader changes, scaling
)

REJECTS: Schema = {
    "ordinal": pl.UInt32,
    "reason": pl.String,  # a short stable code, see pipelines.recognise
    "sample": pl.String,  # the first 200 characters, decoded lossily
}
"""What fits nothing: counted by reason, sampled, never silently dropped."""

ROLLUP: Schema = {
    "time": TIME,  # bucket start
    "reporter": pl.String,  # source | destination
    "source": pl.String,  # workload.namespace of the caller, "unknown" when nobody tells
    "source_pod": pl.String,  # null when unknown
    "destination": pl.String,  # service host; "unknown" for scanners and unmatched names
    "response_code": pl.Int32,
    "response_flags": pl.String,  # "-" or sorted, comma-joined: "UF,URX"
    "count": pl.Int64,
}
"""Counts per series and bucket; partial rollups of one bucket add up."""

MOMENTS: Schema = {
    "time": TIME,  # end of the response, milliseconds kept
    "reporter": pl.String,
    "source": pl.String,
    "source_pod": pl.String,
    "destination": pl.String,
    "destination_pod": pl.String,  # or the upstream host's address; null when unknown
    "signal": pl.String,
    "response_code": pl.Int32,
    "response_flags": pl.String,
    "details": pl.String,  # canonical response code details, or the transport failure reason
    "count": pl.Int64,
}
"""Errors, which are rare, with their pod and millisecond: what per-proxy alignment needs."""


def empty(schema: Schema) -> pl.DataFrame:
    """A frame of ``schema`` without rows."""
    return pl.DataFrame(schema=schema)
