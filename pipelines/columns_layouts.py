"""The default text layouts as tokens: what stands where, and how many quotes that takes."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.columns_checks import STRINGS

_WANTED = {
    "start_time",
    "response_code",
    "response_flags",
    "bytes_received",
    "bytes_sent",
    "duration_ms",
    "upstream_service_time_ms",
    "user_agent",
    *STRINGS,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A default layout: its fields, token by token, and the quotes that every line has."""

    name: str
    quotes: int
    columns: tuple[str, ...]
    """The fields, and one more that must stay empty."""

    @property
    def places(self) -> frozenset[str]:
        """The fields it has."""
        return frozenset(self.columns[:-1])

    @property
    def last(self) -> str:
        """The field that is there only if all tokens are; never empty."""
        return self.columns[-2]

    @property
    def beyond(self) -> str:
        """Filled when there are more tokens than fields."""
        return self.columns[-1]

    @property
    def kept(self) -> frozenset[str]:
        """The columns to read at all: each costs time."""
        return frozenset({*_WANTED, *self.extra, self.last, self.beyond})

    @property
    def extra(self) -> tuple[str, ...]:
        """Envoy's own layout is short; other formats resemble it, but for this header."""
        return () if "upstream_cluster" in self.places else ("x_forwarded_for",)


def _layout(name: str, fields: str, quotes: int) -> Layout:
    return Layout(name, quotes, (*fields.split(), "beyond"))


_HEAD = "start_time request response_code response_flags "
_TAIL = (
    " bytes_received bytes_sent duration_ms upstream_service_time_ms x_forwarded_for user_agent"
    " request_id authority upstream_host"
)
_ADDRESSES = (
    " upstream_cluster upstream_local_address downstream_local_address"
    " downstream_remote_address requested_server_name"
)
_REASON = "upstream_transport_failure_reason"

# Istio's default text layouts: 1.9 and later; 1.8; 1.3-1.7; 1.2; 1.1; and Envoy's own default.
LAYOUTS = (
    _layout(
        "istio-text-1.9",
        f"{_HEAD}response_code_details connection_termination_details {_REASON}"
        f"{_TAIL}{_ADDRESSES} route_name",
        14,
    ),
    _layout("istio-text-1.8", f"{_HEAD}{_REASON}{_TAIL}{_ADDRESSES} route_name", 14),
    _layout("istio-text-1.3", f"{_HEAD}mixer_status {_REASON}{_TAIL}{_ADDRESSES} route_name", 16),
    _layout("istio-text-1.2", f"{_HEAD}mixer_status {_REASON}{_TAIL}{_ADDRESSES}", 16),
    _layout("istio-text-1.1", f"{_HEAD}mixer_status{_TAIL}{_ADDRESSES}", 14),
    _layout("envoy-text", f"{_HEAD}{_TAIL}", 12),
)
