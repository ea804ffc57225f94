"""What changed between two rounds, as control-plane events (pure).

A round tells what is, not what happened: a proxy is "sync", connected to this istiod at this time,
and the ledger, which hears the logs as well, knows whether that is news.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from detector.polling.scrape import Scrape
from detector.polling.syncz import Sent, Synced
from pipelines import schema

Row = dict[str, Any]
_NO_EVENT: Row = dict.fromkeys(schema.CONTROL)
NEWS_S = 120.0
"""An istiod that is up for longer when it is first asked did not start just now."""

SLACK = timedelta(seconds=5)
"""By so much a start may seem to move from round to round: uptimes are whole seconds, and late."""


class View:
    """The control plane as the last round saw it."""

    def __init__(self) -> None:
        self._scrapes: dict[str, tuple[datetime, Scrape]] = {}
        self._started: dict[str, datetime] = {}
        self._synced: dict[str, dict[str, Synced]] = {}  # istiod -> proxy -> what it has

    def scraped(self, istiod: str, now: datetime, scrape: Scrape) -> list[Row]:
        """Take one istiod's metrics."""
        before = self._scrapes.get(istiod)
        self._scrapes[istiod] = now, scrape
        rows = [self._row(now, "notice", istiod, reason="answers")] if before is None else []
        if (start := self._start(istiod, before, now, scrape)) is not None:
            rows.append(self._row(start, "control-plane-start", istiod))
        if before is not None and (scrape.rejects or 0.0) > (before[1].rejects or 0.0):
            more = int((scrape.rejects or 0.0) - (before[1].rejects or 0.0))
            reason = f"{more} pushes were refused"
            rows.append(self._row(now, "notice", istiod, reason=reason))
        return rows

    def synced(self, istiod: str, now: datetime, proxies: list[Synced]) -> list[Row]:
        """Take the proxies that are connected to one istiod."""
        before = self._synced.get(istiod, {})
        present = {one.proxy: one for one in proxies}
        self._synced[istiod] = present
        rows: list[Row] = []
        for name, one in present.items():
            known = before.get(name)
            if known is None:
                row = self._row(now, "sync", istiod, proxy=name, proxy_version=one.proxy_version)
                rows.append(row)
            rows += self._sent(istiod, now, one, known.types if known else {})
        for name in before.keys() - present.keys():
            if not any(name in others for others in self._synced.values()):
                rows.append(self._row(now, "disconnect", istiod, proxy=name))
        return rows

    def forget(self, istiods: set[str]) -> None:
        """Keep only these istiods: the others are not there any more."""
        for table in (self._scrapes, self._started, self._synced):
            for gone in table.keys() - istiods:
                del table[gone]

    def _start(
        self, istiod: str, before: tuple[datetime, Scrape] | None, now: datetime, scrape: Scrape
    ) -> datetime | None:
        """When it started, if that was since the round before, or is not known of it yet."""
        if scrape.uptime_s is not None:
            start = now - timedelta(seconds=min(scrape.uptime_s, 1e9))
            known = self._started.get(istiod)
            if known is None or start - known > SLACK:
                self._started[istiod] = start
                return start if known is not None or scrape.uptime_s <= NEWS_S else None
            return None
        if before is None or scrape.pushes is None or before[1].pushes is None:
            return None
        return now if scrape.pushes < before[1].pushes else None

    def _sent(
        self, istiod: str, now: datetime, proxy: Synced, before: Mapping[str, Sent]
    ) -> list[Row]:
        rows = []
        for kind, sent in proxy.types.items():
            known = before.get(kind)
            told = {"proxy": proxy.proxy, "type": kind}
            if before and (known is None or known.sent != sent.sent):
                rows.append(self._row(min(sent.at or now, now), "push", istiod, **told))
            if sent.error is not None and (known is None or known.error != sent.error):
                rows.append(self._row(now, "nack", istiod, error=sent.error, **told))
            elif before and sent.acked == sent.sent and known and known.acked != sent.acked:
                rows.append(self._row(now, "ack", istiod, **told))
        return rows

    def _row(self, time: datetime, kind: str, istiod: str, **more: str | None) -> Row:
        scrape = self._scrapes.get(istiod)
        said = {"time": time, "kind": kind, "istiod": istiod, "source": "metrics"}
        return _NO_EVENT | said | {"version": scrape[1].version if scrape else None} | more
