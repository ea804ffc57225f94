"""The worker's metrics for Prometheus. Labels are bounded: topics, parts, formats, reasons, causes.

Names follow Prometheus' conventions: base units, ``_total`` for counters. What the worker holds
is read at the scrape from `detector.live.status.Status`; what happens is counted as it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from detector.conditions import ConditionKind
from detector.live.status import Phase, Status
from detector.types import Cause

COMMIT_S = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
DELAY_S = (15, 20, 25, 30, 40, 60, 90, 120, 300, 600, 1800)
MAX_PARTITIONS = 1_000
"""Partitions with a lag of their own among the metrics; the sum over all is always there."""


class Metrics:
    """Metrics of one worker, in a registry of their own.

    Args:
        status: read at every scrape.
        now: the clock.
        config: a hash of the settings, so that a change of them shows.
    """

    def __init__(self, status: Status, now: Callable[[], datetime], config: str) -> None:
        self.registry = CollectorRegistry()
        for kind in (ProcessCollector, PlatformCollector, GCCollector):
            kind(registry=self.registry)
        build = Info("pushwake_build", "Version of Pushwake.", registry=self.registry)
        build.info({"version": version("pushwake")})
        settings = Info("pushwake_config", "Hash of the settings.", registry=self.registry)
        settings.info({"hash": config})
        self.commits = Histogram(
            "pushwake_commit_seconds",
            "Time that a commit of incidents, state and offsets took.",
            buckets=COMMIT_S,
            registry=self.registry,
        )
        self.delays = Histogram(
            "pushwake_detection_delay_seconds",
            "From the estimated onset of an incident to the commit that tells it, while live.",
            buckets=DELAY_S,
            registry=self.registry,
        )
        self.dead_letters = Counter(
            "pushwake_dead_letters",
            "Records copied to the dead-letter topic.",
            registry=self.registry,
        )
        self.registry.register(_Held(status, now))


class _Held(Collector):
    """What stands in a status."""

    def __init__(self, status: Status, now: Callable[[], datetime]) -> None:
        self._status = status
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """All of it, at this moment."""
        yield from self._reading()
        yield from self._times()
        yield from self._memory()

    def _reading(self) -> Iterator[Metric]:
        status, facts = self._status, self._status.facts
        results = CounterMetricFamily(
            "pushwake_records", "Records by what they were.", labels=["kind", "format"]
        )
        rejects = CounterMetricFamily(
            "pushwake_rejects", "Records that were not understood.", labels=["reason"]
        )
        for name, count in facts.counts.items():
            kind, _, form = name.partition("/")
            if kind == "reject":
                rejects.add_metric([form], count)
            else:
                results.add_metric([kind, form], count)
        yield results
        yield rejects
        yield _counter("values_read", "Values read from the topics.", status.records)
        yield _counter("late", "Entries left out: their bucket had closed.", facts.late)
        yield _counter("lost_offsets", "Offsets that could not be read.", status.losses)
        lags = GaugeMetricFamily(
            "pushwake_consumer_lag_records",
            "Records left to read, by partition.",
            labels=["topic", "partition"],
        )
        for (topic, partition), lag in sorted(status.lags.items())[:MAX_PARTITIONS]:
            lags.add_metric([topic, str(partition)], lag)
        yield lags
        yield _gauge("lag_records", "Records left to read, in all.", status.lag)
        yield _gauge("read_records_per_second", "Speed over the last step.", status.per_s)
        yield _gauge("catch_up_seconds", "Until all is read, at that speed.", status.catch_up_s())

    def _times(self) -> Iterator[Metric]:
        status = self._status
        phases = GaugeMetricFamily(
            "pushwake_phase", "1 for what the worker is doing.", labels=["phase"]
        )
        for phase in get_args(Phase):
            phases.add_metric([phase], phase == status.phase)
        yield phases
        for name, help_text, time in (
            ("oldest_event_age_seconds", "Age of the newest event time read.", status.furthest),
            ("watermark_delay_seconds", "How far judging is behind.", status.event_time),
            ("checkpoint_age_seconds", "Since the last commit.", status.committed_at),
        ):
            yield _gauge(name, help_text, _age(time, self._now()))

    def _memory(self) -> Iterator[Metric]:
        facts = self._status.facts
        yield _gauge("series", "Series in memory.", facts.series)
        yield _counter("series_evicted", "Series that made room for others.", facts.evicted)
        yield _counter("series_refused", "Series and edges without room, by bucket.", facts.refused)
        yield _gauge("proxies", "Proxies known.", facts.proxies)
        yield _labelled(
            "state_bytes", "Size of the state at the last commit.", "part", facts.state_bytes
        )
        causes = dict.fromkeys(get_args(Cause), 0) | dict(facts.open_by_cause)
        kinds = dict.fromkeys(get_args(ConditionKind), 0) | dict(facts.conditions)
        yield _labelled("data_conditions", "What is wrong with the input.", "kind", kinds)
        yield _labelled("incidents_open", "Incidents that are not over.", "cause", causes)


def _age(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else (now - time).total_seconds()


def _gauge(name: str, help_text: str, value: float | None) -> Metric:
    """A gauge without labels; without a sample while nothing is known."""
    metric = GaugeMetricFamily(f"pushwake_{name}", help_text)
    if value is not None:
        metric.add_metric([], value)
    return metric


def _labelled(name: str, help_text: str, label: str, values: Mapping[str, int]) -> Metric:
    metric = GaugeMetricFamily(f"pushwake_{name}", help_text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def _counter(name: str, help_text: str, value: int) -> Metric:
    return CounterMetricFamily(f"pushwake_{name}", help_text, value=value)
