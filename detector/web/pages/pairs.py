"""Errors by the versions of client and server: which pairs do not get along?

A proxy counts as of the old version until its own reconnect in the window and of the new one from
then on. The server of an error that reached nobody is unknown; then the service's proxies tell,
as far as they agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from detector.report.phrases import clean
from detector.types import Window

UNKNOWN = "unknown"
PARTLY = "both"


@dataclass(frozen=True, slots=True)
class Pairs:
    """The heat map: a row a client version, a column a server version."""

    columns: list[str]
    rows: list[tuple[str, list[int]]]
    hottest: int
    note: str


class _Fleet:
    """Who had reconnected when."""

    def __init__(self, window: Window, old: str, new: str) -> None:
        self._at = window.reconciled
        self._old, self._new = old, new
        self._services: dict[str, list[datetime]] = {}

    def proxy(self, pod: str | None, workload: str | None, at: datetime) -> str | None:
        """The version of a proxy; None for one that the window does not name."""
        if pod is None:
            return None
        namespace = (workload or "").rpartition(".")[2]
        own = self._at.get(f"{pod}.{namespace}") or self._at.get(pod)
        if own is None:
            return None
        return self._new if own <= at else self._old

    def service(self, host: str, at: datetime) -> str:
        """The version of a service's proxies, found by the name of their workload."""
        times = self._times(host)
        moved = bisect_right(times, at)
        if not times:
            return UNKNOWN
        if moved == 0:
            return self._old
        return self._new if moved == len(times) else PARTLY

    def _times(self, host: str) -> list[datetime]:
        if host not in self._services:
            name, _, rest = host.partition(".")
            namespace = rest.partition(".")[0]
            self._services[host] = sorted(
                at
                for proxy, at in self._at.items()
                if proxy.startswith(f"{name}-") and proxy.endswith(f".{namespace}")
            )
        return self._services[host]


def version_pairs(moments: pl.DataFrame, window: Window) -> Pairs | None:
    """The heat map of an incident's errors; None when versions or proxies are not known."""
    if not window.reconciled or moments.is_empty():
        return None
    old, new = (clean(one, 24) if one else None for one in (window.from_version, window.to_version))
    if not (old and new) or old == new:
        return None
    fleet = _Fleet(window, old, new)
    columns = ("source", "source_pod", "destination", "destination_pod", "time", "count")
    cells: dict[tuple[str, str], int] = {}
    for source, client, host, server, at, count in moments.select(columns).iter_rows():
        row = fleet.proxy(client, source, at) or UNKNOWN
        column = fleet.proxy(server, ".".join(host.split(".")[:2]), at) or fleet.service(host, at)
        cells[row, column] = cells.get((row, column), 0) + count
    order = [old, PARTLY, new, UNKNOWN]
    return _laid_out(cells, order, old, new)


def _laid_out(
    cells: dict[tuple[str, str], int], order: Sequence[str], old: str, new: str
) -> Pairs | None:
    rows = [one for one in order if any(row == one for row, _ in cells)]
    columns = [one for one in order if any(column == one for _, column in cells)]
    if rows == [UNKNOWN] and columns == [UNKNOWN]:
        return None
    kept_rows = [one for one in order if one in rows or one in {old, new}]
    kept = [one for one in order if one in columns or one in {old, new}]
    return Pairs(
        columns=kept,
        rows=[(row, [cells.get((row, column), 0) for column in kept]) for row in kept_rows],
        hottest=max(cells.values()),
        note="The version of the control plane that each side was connected to at the time of the "
        "error. Where no server was reached, the service's own proxies stand for it.",
    )
