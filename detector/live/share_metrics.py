"""What the probes and metrics of a rollup worker say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from detector import clock
from detector.live.answers import STUCK_S
from detector.live.rolling import Share
from detector.probes import Answer

_TOTALS = {
    "records": ("records", "Records counted and sent on."),
    "digests": ("digests", "Digests sent to the worker that judges."),
    "bytes": ("sent_bytes", "Bytes of these digests."),
    "refused": ("refused", "Steps refused because the group had moved partitions meanwhile."),
}


def registry_of(share: Share) -> CollectorRegistry:
    """Metrics of one rollup worker, in a registry of their own."""
    registry = CollectorRegistry()
    for kind in (ProcessCollector, PlatformCollector, GCCollector):
        kind(registry=registry)
    build = Info("pushwake_build", "Version of Pushwake.", registry=registry)
    build.info({"version": version("pushwake")})
    registry.register(_Shared(share))
    return registry


def answer(share: Share, monotonic_s: Callable[[], float] = clock.monotonic_s) -> Answer:
    """Whether the loop turns, and what is left to read; a worker without partitions stands by."""
    detail = {"partitions": len(share.lags), "lag": sum(share.lags.values())}
    if share.turned_s is None:
        return Answer(True, detail)
    quiet_s = monotonic_s() - share.turned_s
    return Answer(quiet_s < STUCK_S, detail | {"quiet_s": round(quiet_s, 1)})


class _Shared(Collector):
    """What stands in a share."""

    def __init__(self, share: Share) -> None:
        self._share = share

    def collect(self) -> Iterator[Metric]:
        """Read it."""
        for key, (name, text) in _TOTALS.items():
            yield CounterMetricFamily(f"pushwake_rollup_{name}", text, value=self._share.sent[key])
        lags = self._share.lags
        yield GaugeMetricFamily(
            "pushwake_rollup_partitions", "Partitions that this worker reads.", value=len(lags)
        )
        yield GaugeMetricFamily(
            "pushwake_rollup_lag_records", "Records left to read in them.", value=sum(lags.values())
        )
