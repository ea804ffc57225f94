"""What the notifier counts of itself, for Prometheus. Labels are the channels' names."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DELAYS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


class Meter:
    """Metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._results = Counter(
            "pushwake_notifications",
            "Messages by what became of them: sent, wait (rate limit), failed, unclear, ...",
            ["channel", "result"],
            registry=self.registry,
        )
        self._delays = Histogram(
            "pushwake_notification_delay_seconds",
            "Time from the worker's commit to the message that tells it.",
            ["channel"],
            buckets=_DELAYS_S,
            registry=self.registry,
        )
        self._waiting = self._gauge("queue", "Incidents with something left to tell.")
        self._oldest = self._gauge("oldest_seconds", "Age of the oldest of them.")
        self._held = self._gauge("held", "Incidents that wait for the end of quiet hours.")
        self._stopped = self._gauge("channel_stopped", "1: nothing is sent until somebody acts.")
        self._pause = self._gauge("pause_seconds", "Seconds until the next try, after a failure.")

    def result(self, channel: str, result: str) -> None:
        """Count a message."""
        self._results.labels(channel, result).inc()

    def delay(self, channel: str, delay: timedelta) -> None:
        """Note how late something was told."""
        self._delays.labels(channel).observe(max(0.0, delay.total_seconds()))

    def queue(self, channel: str, waiting: int, oldest_s: float, held: int) -> None:
        """Note what is left to tell now, and what has to wait for the end of quiet hours."""
        self._waiting.labels(channel).set(waiting)
        self._oldest.labels(channel).set(oldest_s)
        self._held.labels(channel).set(held)

    def held(self, channel: str, *, stopped: bool, pause_s: float) -> None:
        """Note what keeps a channel from sending."""
        self._stopped.labels(channel).set(int(stopped))
        self._pause.labels(channel).set(pause_s)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(
            f"pushwake_notification_{name}", help_text, ["channel"], registry=self.registry
        )
