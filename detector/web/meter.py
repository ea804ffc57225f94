"""What the web process counts of itself, for Prometheus.

Labels hold templates of routes, never paths or names.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Meter:
    """Metrics of one web process, in a registry of their own.

    Args:
        config: a hash of the settings, so that a change of them shows.
        streams: how many follow /v1/events at present.
    """

    def __init__(self, config: str, streams: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        for kind in (ProcessCollector, PlatformCollector, GCCollector):
            kind(registry=self.registry)
        build = Info("pushwake_build", "Version of Pushwake.", registry=self.registry)
        build.info({"version": version("pushwake")})
        settings = Info("pushwake_config", "Hash of the settings.", registry=self.registry)
        settings.info({"hash": config})
        self._requests = Counter(
            "pushwake_http_requests",
            "Requests by the template of their route and the status of the answer.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "pushwake_http_request_duration_seconds",
            "From a request's head to the end of its answer; streams of events are left out.",
            ["route"],
            buckets=DURATIONS_S,
            registry=self.registry,
        )
        self._refused = Counter(
            "pushwake_http_refused",
            "Requests that were not let in: token, scope, host, origin, rate.",
            ["reason"],
            registry=self.registry,
        )
        followers = Gauge(
            "pushwake_event_streams", "Clients that follow /v1/events.", registry=self.registry
        )
        followers.set_function(streams)

    def answered(self, method: str, route: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(method, route, str(status)).inc()

    def took(self, route: str, seconds: float) -> None:
        """Note how long an answer took."""
        self._durations.labels(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that was not let in."""
        self._refused.labels(reason).inc()
