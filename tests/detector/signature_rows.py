"""Errors with an attribution for every known fault, and such as only resemble it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from detector.signatures import match
from detector.types import Attribution, Cause, Incident, Signature, Window, WindowKind
from tests.detector.attribution_scenes import Scene

RESET = "upstream_reset_before_response_started"
FAILED = f"{RESET},remote_connection_failure"
POD = "web-v1-7d9f8b6c5d-aaaaa"


@dataclass(frozen=True)
class Row:
    """Errors of one kind with an attribution, and the entry they should (or must not) match."""

    id: str
    signal: str
    code: int = 503
    details: str | None = None
    inbound: bool = False
    source: str = "web.shop"
    destinations: int = 1
    window: WindowKind | None = None
    versions: tuple[str | None, str | None] = (None, None)
    cause: Cause = "control-plane"
    reconciled: bool = True

    def found(self) -> Signature | None:
        """What the catalogue makes of it."""
        return match(*self.case())

    def case(self) -> tuple[Incident, pl.DataFrame, list[Window]]:
        """The incident, its errors and the windows."""
        scene = Scene()
        if self.window is not None:
            scene.window(self.window, {f"{POD}.shop": 0.0}, versions=self.versions)
        for number, at in enumerate(np.linspace(0.1, 20.0, 30)):
            scene.error(
                float(at),
                pod=POD,
                server=POD if self.inbound else None,
                source=self.source,
                destination=f"svc{number % self.destinations}",
                signal=self.signal,
                details=self.details,
                inbound=self.inbound,
                code=self.code,
            )
        case = scene.case()
        windows = list(case.windows)
        if not self.reconciled:
            windows = [replace(window, reconciled={}) for window in windows]
        blamed = windows[0] if windows and self.cause == "control-plane" else None
        case.incident.attribution = Attribution(self.cause, blamed, 0.9, [], ["a doubt"])
        return case.incident, case.moments, windows


SDS = "Secret_is_not_supplied_by_SDS"
VERIFY = f"{FAILED},CERTIFICATE_VERIFY_FAILED"
SAN = f"{VERIFY}:verify_cert_failed:_SAN_matcher"
REFUSED = f"{FAILED},delayed_connect_error:_Connection_refused"
CUT = f"{RESET},connection_termination"
MALFORMED = f"{RESET},protocol_error"
BAD_CUSTOM = "rbac_access_denied_matched_policy,default-deny-all-due-to-bad-CUSTOM-action"
JWKS = "jwt_authn_access_denied,Jwks_remote_fetch_is_failed"
GATEWAY = "istio-ingressgateway.istio-system"
TO_17, TO_175 = ("1.6.14", "1.7.3"), ("1.7.4", "1.7.5")

MATCHING = [
    Row("sds-secret-type-switch", "UF", details=SDS, window="upgrade", versions=TO_17),
    Row("sds-secret-late", "UF", details=SDS, window="upgrade", versions=("1.20.1", "1.21.0")),
    Row("te-204-1.7", "UC", window="upgrade", versions=TO_17),
    Row("te-204-1.7-inbound", "UC", inbound=True, window="upgrade", versions=TO_17),
    Row("te-204-1.7.5", "UC", window="upgrade", versions=TO_175),
    Row("codec-stricter", "UPE", 502, MALFORMED, inbound=True, window="upgrade"),
    Row(
        "header-validation-1.20",
        "UPE",
        502,
        MALFORMED,
        window="upgrade",
        versions=("1.19.3", "1.20.0"),
    ),
    Row("rollout-missing-cluster", "NC", details="cluster_not_found", window="upgrade"),
    Row("rollout-missing-routes", "NR", details="route_not_found", window="upgrade"),
    Row("route-before-cluster", "NC", details="cluster_not_found", window="push"),
    Row(
        "inbound-clusters-renamed-1.8",
        "NR",
        inbound=True,
        window="upgrade",
        versions=("1.7.5", "1.8.2"),
    ),
    Row(
        "inbound-cluster-missing", "NC", details="cluster_not_found", inbound=True, window="restart"
    ),
    Row("inbound-passthrough-order", "NC", inbound=True, window="push"),
    Row("external-name-alias-1.21", "UH", window="upgrade", versions=("1.20.8", "1.21.1")),
    Row("endpoints-empty-after-restart", "UH", destinations=4, window="restart"),
    Row("endpoints-drained-by-push", "UH", details="no_healthy_upstream", window="push"),
    Row("gateway-routes-lost", "NR", 404, "route_not_found", source=GATEWAY, window="push"),
    Row("gateway-replaced", "NR", 404, source=GATEWAY, window="sidecar-rollout"),
    Row("filter-chain-missing", "NR", 0, "filter_chain_not_found", window="push"),
    Row("ca-mismatch", "UF", details=VERIFY, window="rotation"),
    Row("verify-san-1.21", "UF", details=SAN, window="upgrade", versions=("1.20.8", "1.21.0")),
    Row("tls-to-plaintext", "UF", details=f"{FAILED},WRONG_VERSION_NUMBER", window="push"),
    Row(
        "tls-settings-split",
        "UF",
        details=f"{FAILED},TLSV1_ALERT_PROTOCOL_VERSION",
        window="upgrade",
    ),
    Row(
        "headless-tls-1.18",
        "UF",
        details=f"{FAILED},TLSV1_ALERT_INTERNAL_ERROR",
        window="upgrade",
        versions=("1.17.2", "1.18.0"),
    ),
    Row("refused-since-rollout", "UF", details=REFUSED, window="sidecar-rollout"),
    Row(
        "inbound-localhost-1.10",
        "UF",
        details=REFUSED,
        inbound=True,
        window="upgrade",
        versions=("1.9.9", "1.10.0"),
    ),
    Row("mtls-sniffing-1.6", "UF", window="upgrade", versions=("1.5.4", "1.6.0")),
    Row("stale-endpoints", "UF", details=f"{RESET},connection_timeout", window="reconnect-storm"),
    Row("configuration-refused", "404", 404, window="nack"),
    Row("filter-config-late", "NFCF", 500),
    Row("authorization-provider-invalid", "403", 403, BAD_CUSTOM),
    Row("jwks-lost-in-restart", "401", 401, JWKS, window="restart"),
    Row("listener-drain", "DC", 0, "downstream_remote_disconnect", window="push"),
    Row("listener-drain-1.10", "UC", details=CUT, window="upgrade", versions=("1.9.9", "1.10.0")),
    Row("client-resets-1.8.3", "DC", 0, window="upgrade", versions=("1.8.2", "1.8.3")),
    Row("stream-resets-1.10.2", "UR", details=f"{RESET},remote_reset", window="upgrade"),
    Row("protocol-detection-changed", "DPE", 400, "http1.codec_error", window="upgrade"),
    Row(
        "retries-1.24",
        "503",
        details="via_upstream",
        window="upgrade",
        versions=("1.23.1", "1.24.0"),
    ),
    Row("proxy-memory-1.7", "UF", details=REFUSED, window="sidecar-rollout", versions=TO_17),
    Row("keepalive-race", "UC", details=CUT, inbound=True, cause="workload"),
    Row("connection-cut", "UC", cause="workload"),
    Row("application-not-listening", "UF", details=REFUSED, inbound=True, cause="workload"),
    Row("destination-refuses", "UF", details=REFUSED, cause="workload"),
    Row("connect-timeout", "UF", details=f"{RESET},connection_timeout", cause="workload"),
    Row("no-healthy-host", "UH", details="no_healthy_upstream", cause="workload"),
    Row("circuit-breaker", "UO", details=f"{RESET},overflow", cause="workload"),
    Row("ext-authz-outage", "UAEX", 403, "ext_authz_error", inbound=True, cause="workload"),
    Row("ext-authz-denies", "UAEX", 403, "ext_authz_denied", inbound=True, cause="workload"),
    Row("local-reset", "LR", details=f"{RESET},local_reset", cause="workload"),
    Row("remote-reset", "UR", details=f"{RESET},remote_reset", cause="workload"),
    Row("pod-left-before-traffic", "NC", inbound=True, cause="unknown"),
    Row("upstream-slow", "UT", 504, "response_timeout", cause="workload"),
    Row("stream-idle", "SI", 408, "stream_idle_timeout", cause="workload"),
    Row("rate-limit-service-down", "RLSE", 500, "rate_limiter_error", cause="workload"),
    Row("rate-limited", "RL", 429, "request_rate_limited", inbound=True, cause="client"),
    Row("response-malformed", "UPE", 502, MALFORMED, inbound=True, cause="workload"),
    Row("jwks-unreachable", "401", 401, JWKS, inbound=True, cause="client"),
    Row("token-refused", "401", 401, "jwt_authn_access_denied,Jwt_is_expired", cause="client"),
    Row("policy-denies", "403", 403, "rbac_access_denied_matched_policy,none", cause="client"),
    Row("http-1.0-client", "426", 426, "low_version", cause="client"),
    Row("not-http", "DPE", 400, "http1.codec_error", cause="client"),
    Row("unknown-host-at-gateway", "NR", 404, "route_not_found", source=GATEWAY, cause="client"),
    Row("client-gone", "DC", 0, "downstream_remote_disconnect", cause="client"),
    Row("overload", "OM", details="overload", cause="workload"),
    Row("dns-failure", "DF", cause="workload"),
    Row("fault-injected", "FI", 500, "fault_filter_abort", cause="workload"),
    Row("application-errors", "500", 500, "via_upstream", cause="workload"),
]

OTHER = [
    Row("sds-secret-type-switch", "UF", details=SDS, window="upgrade", versions=("1.7.5", "1.8.0")),
    Row("sds-secret-late", "UF", details=VERIFY, window="upgrade"),
    Row("te-204-1.7", "UC", window="upgrade", versions=("1.7.5", "1.8.0")),
    Row("te-204-1.7-inbound", "UC", window="upgrade", versions=TO_17),
    Row("te-204-1.7.5", "UC", window="upgrade", versions=("1.7.5", "1.7.8")),
    Row("codec-stricter", "UPE", 502, MALFORMED, inbound=True, cause="workload"),
    Row(
        "header-validation-1.20",
        "UPE",
        502,
        MALFORMED,
        window="upgrade",
        versions=("1.20.0", "1.20.3"),
    ),
    Row("rollout-missing-cluster", "NC", details="cluster_not_found", window="push"),
    Row("rollout-missing-routes", "NR", details="filter_chain_not_found", window="upgrade"),
    Row("route-before-cluster", "NC", details="cluster_not_found", window="upgrade"),
    Row(
        "inbound-clusters-renamed-1.8",
        "NR",
        inbound=True,
        window="upgrade",
        versions=("1.9.0", "1.10.0"),
    ),
    Row("inbound-cluster-missing", "NC", details="cluster_not_found", window="restart"),
    Row("inbound-passthrough-order", "NC", window="push"),
    Row("external-name-alias-1.21", "UH", window="upgrade", versions=("1.21.0", "1.22.0")),
    Row("endpoints-empty-after-restart", "UH", window="restart"),
    Row(
        "endpoints-drained-by-push",
        "UH",
        details="no_healthy_upstream",
        window="push",
        cause="workload",
    ),
    Row("gateway-routes-lost", "NR", 404, "route_not_found", window="push"),
    Row("gateway-replaced", "NR", 404, window="sidecar-rollout"),
    Row("filter-chain-missing", "NR", 404, "route_not_found", window="push"),
    Row("ca-mismatch", "UF", details=REFUSED, window="rotation"),
    Row("verify-san-1.21", "UF", details=VERIFY, window="upgrade", versions=("1.20.8", "1.21.0")),
    Row("tls-to-plaintext", "UF", details=VERIFY, window="push"),
    Row(
        "tls-settings-split",
        "UF",
        details=f"{FAILED},TLSV1_ALERT_PROTOCOL_VERSION",
        cause="workload",
    ),
    Row(
        "headless-tls-1.18", "UF", details=REFUSED, window="upgrade", versions=("1.17.2", "1.18.0")
    ),
    Row("refused-since-rollout", "UF", details=REFUSED, window="sidecar-rollout", cause="workload"),
    Row(
        "inbound-localhost-1.10",
        "UF",
        details=REFUSED,
        inbound=True,
        window="upgrade",
        versions=("1.10.0", "1.11.0"),
    ),
    Row("mtls-sniffing-1.6", "UF", window="upgrade", versions=("1.6.0", "1.7.0")),
    Row("stale-endpoints", "UF", details=f"{RESET},connection_timeout", window="upgrade"),
    Row("configuration-refused", "404", 404, window="push"),
    Row("filter-config-late", "500", 500, "via_upstream"),
    Row("authorization-provider-invalid", "403", 403, "rbac_access_denied_matched_policy,none"),
    Row("jwks-lost-in-restart", "401", 401, JWKS, cause="client"),
    Row("listener-drain", "DC", 0, "downstream_remote_disconnect", window="push", cause="client"),
    Row("listener-drain-1.10", "UC", details=CUT, window="upgrade", versions=("1.10.0", "1.11.0")),
    Row("client-resets-1.8.3", "DC", 0, window="upgrade", versions=("1.8.3", "1.8.4")),
    Row("stream-resets-1.10.2", "UR", details=f"{RESET},remote_reset", cause="workload"),
    Row(
        "protocol-detection-changed",
        "DPE",
        400,
        "http1.codec_error",
        window="upgrade",
        cause="client",
    ),
    Row(
        "retries-1.24",
        "503",
        details="via_upstream",
        window="upgrade",
        versions=("1.24.0", "1.25.0"),
    ),
    Row(
        "proxy-memory-1.7",
        "UF",
        details=REFUSED,
        window="sidecar-rollout",
        versions=("1.6.14", "1.7.5"),
    ),
    Row("keepalive-race", "UC", details=CUT, inbound=True, window="upgrade"),
    Row("connection-cut", "UC", window="upgrade"),
    Row("application-not-listening", "UF", details=REFUSED, cause="workload"),
    Row("destination-refuses", "UF", details=REFUSED, inbound=True, cause="workload"),
    Row("connect-timeout", "UF", details=REFUSED, cause="workload"),
    Row("no-healthy-host", "UH", window="push"),
    Row("circuit-breaker", "UC", details=CUT, cause="workload"),
    Row("ext-authz-outage", "UAEX", 403, "ext_authz_denied", cause="workload"),
    Row("ext-authz-denies", "403", 403, "rbac_access_denied_matched_policy,none", cause="client"),
    Row("local-reset", "UR", details=f"{RESET},remote_reset", cause="workload"),
    Row("remote-reset", "UR", details=f"{RESET},remote_reset", window="upgrade"),
    Row("pod-left-before-traffic", "NC", cause="unknown"),
    Row("upstream-slow", "504", 504, "via_upstream", cause="workload"),
    Row("stream-idle", "UT", 504, "response_timeout", cause="workload"),
    Row("rate-limit-service-down", "RL", 429, cause="client"),
    Row("rate-limited", "403", 403, cause="client"),
    Row("response-malformed", "UPE", 502, MALFORMED, inbound=True, window="upgrade"),
    Row("jwks-unreachable", "401", 401, "jwt_authn_access_denied,Jwt_is_expired", cause="client"),
    Row("token-refused", "401", 401, "via_upstream", cause="client"),
    Row("policy-denies", "403", 403, "via_upstream", cause="client"),
    Row("http-1.0-client", "400", 400, cause="client"),
    Row("not-http", "400", 400, "via_upstream", cause="client"),
    Row("unknown-host-at-gateway", "NR", 404, "route_not_found", cause="unknown"),
    Row("client-gone", "499", 499, "via_upstream", cause="client"),
    Row("overload", "UO", details=f"{RESET},overflow", cause="workload"),
    Row("dns-failure", "UF", details=REFUSED, cause="workload"),
    Row("fault-injected", "500", 500, "via_upstream", cause="workload"),
    Row("application-errors", "500", 500, "via_upstream", window="upgrade"),
]
