"""Asks every istiod in rounds, beside the worker, and keeps the events until they are fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from detector import clock
from detector.polling import syncz
from detector.polling.fetch import Fetcher, FetchError, Replica, replicas
from detector.polling.scrape import QUERY, NotMetricsError, of_prometheus, of_text
from detector.polling.view import View
from detector.settings import IstiodSettings
from pipelines import schema

MAX_EVENTS = 500_000
"""Events kept for a worker that does not fetch them; the oldest go first."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Health:
    """How asking one endpoint goes."""

    endpoint: str
    answered_at: datetime | None  # last time
    problem: str | None  # in words; None while it answers
    since: datetime | None  # of the problem


class Poller:
    """Runs in a thread of its own; nothing that an endpoint does reaches the worker.

    Args:
        settings: whom to ask, and how often.
        now: the present.
    """

    def __init__(self, settings: IstiodSettings, now: Callable[[], datetime] = clock.now) -> None:
        self._settings = settings
        self._now = now
        self._fetch = Fetcher(settings)
        self._view = View()
        self._rows: list[Row] = []
        self._health: dict[str, Health] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._asking: dict[str, threading.Thread] = {}
        self.dropped = 0

    def start(self) -> None:
        """Begin to ask, every `every_s` seconds."""
        self._thread = threading.Thread(target=self._loop, name="istiod-poller", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the present answer at the latest."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * self._settings.timeout_s)

    def take(self) -> pl.DataFrame:
        """The events (`schema.CONTROL`) since this was last asked, in order of time."""
        with self._lock:
            rows, self._rows = self._rows, []
        frame = pl.DataFrame(rows, schema=schema.CONTROL, orient="row")
        return frame.sort("time", maintain_order=True)

    def health(self) -> list[Health]:
        """How it goes with every endpoint, by name."""
        with self._lock:
            return [self._health[name] for name in sorted(self._health)]

    def round(self) -> None:
        """Ask everyone once."""
        seen: set[str] = set()
        whole = True
        for url in self._settings.urls:
            try:
                found = replicas(url)
            except FetchError as error:
                self._note(url, str(error))
                whole = False
                continue
            self._note(url, None)
            seen |= {replica.name for replica in found}
            for replica in found:
                self._within(replica)
        if self._settings.prometheus:
            seen |= self._ask_prometheus(self._settings.prometheus)
        if whole:
            self._view.forget(seen)
            with self._lock:
                kept = seen | set(self._settings.urls) | {self._settings.prometheus}
                self._health = {name: one for name, one in self._health.items() if name in kept}

    def _loop(self) -> None:
        while not self._stop.is_set():
            begin = clock.monotonic_s()
            self.round()
            self._stop.wait(max(0.0, self._settings.every_s - (clock.monotonic_s() - begin)))

    def _within(self, replica: Replica) -> None:
        """Ask in a thread that is left behind when it does not come back.

        Timeouts of single reads do not stop an endpoint that sends one byte now and then.
        """
        asking = self._asking.get(replica.name)
        if asking is None or not asking.is_alive():
            asking = threading.Thread(target=self._ask, args=(replica,), daemon=True)
            self._asking[replica.name] = asking
            asking.start()
        asking.join(3 * self._settings.timeout_s)
        if asking.is_alive():
            self._note(replica.name, "keeps us waiting with an answer that does not end")

    def _ask(self, replica: Replica) -> None:
        try:
            metrics = of_text(self._fetch.get(replica, "/metrics"))
            self._keep(self._view.scraped(replica.name, self._now(), metrics))
            if self._settings.syncz:
                proxies = syncz.read(self._fetch.get(replica, "/debug/syncz"))
                self._keep(self._view.synced(replica.name, self._now(), proxies))
        except (FetchError, NotMetricsError, syncz.NotSynczError) as error:
            self._note(replica.name, str(error))
        else:
            self._note(replica.name, None)

    def _ask_prometheus(self, url: str) -> set[str]:
        try:
            replica = replicas(url)[0]
            body = self._fetch.get(replica, "/api/v1/query", {"query": QUERY})
            scrapes = of_prometheus(body)
        except (FetchError, NotMetricsError) as error:
            self._note(url, str(error))
            return set()
        self._note(url, None if scrapes else "answers, but scrapes no istiod")
        for pod, scrape in scrapes.items():
            self._keep(self._view.scraped(pod, self._now(), scrape))
        return set(scrapes)

    def _keep(self, rows: list[Row]) -> None:
        with self._lock:
            self._rows += rows
            self.dropped += max(0, len(self._rows) - MAX_EVENTS)
            del self._rows[:-MAX_EVENTS]

    def _note(self, endpoint: str, problem: str | None) -> None:
        now = self._now()
        with self._lock:
            known = self._health.get(endpoint)
            if problem is None:
                self._health[endpoint] = Health(endpoint, now, None, None)
                return
            since = known.since if known is not None and known.problem is not None else now
            answered = known.answered_at if known is not None else None
            self._health[endpoint] = Health(endpoint, answered, problem, since)
