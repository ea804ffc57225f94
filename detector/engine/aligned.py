"""Errors of each proxy lined up with that proxy's own reconcile, over all edges of a window.

Finds what an upgrade costs every proxy for a few seconds, long before any single edge would alarm
(`models.scan`). Errors are kept by proxy and bucket, as far back as a window may reach; each
bucket with such errors inside a window is looked at together with all of them, so it does not
matter in which order reconciles became known.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from detector.engine.callers import Caller
from detector.engine.catalogue import Catalogue
from detector.engine.series import UNKNOWN, Bucket
from detector.settings import DetectionSettings
from detector.types import Series, Verdict, Window
from models import scan, tails
from models.contract import Flags, Floats, Ints, State
from models.spans import DEPTH

KINDS = frozenset({"upgrade", "revision", "restart"})
"""Windows in which every proxy has a time of its own at which it connects anew."""

KEPT = timedelta(minutes=15)  # a window may become known this long after it began
LEAD = timedelta(seconds=20)  # errors this long before a window's start may belong to it
MAX_CELLS = 100_000
"""Errors by (bucket, series, proxy) that are remembered at the most; the oldest go first."""

LEAST_PROXIES = 3  # a clump at one or two proxies may fall on their reconcile by chance
LEAST = 1.6  # aligned errors, in multiples of the least excess of an incident


class Aligned:
    """The errors of proxies since the oldest window under way.

    Args:
        catalogue: Tells how many errors are usual.
        settings: Length of a bucket, and what matters.
    """

    def __init__(self, catalogue: Catalogue, settings: DetectionSettings) -> None:
        self._cat = catalogue
        self._settings = settings
        self._cells: Floats = np.zeros((4, 0))  # start of the bucket, series, proxy, errors
        self._series: dict[Series, int] = {}
        self._proxies: dict[str, int] = {}  # "pod.namespace"

    def add(self, verdicts: dict[int, Verdict], bucket: Bucket, windows: Iterable[Window]) -> None:
        """Take in a bucket; alarms for the series that speak for a window, unless they have one.

        Args:
            verdicts: On the bucket, by row; alarms are added.
            bucket: Later than those before.
            windows: That touch the bucket, as known at its end.
        """
        start = bucket.start
        reached = [window for window in windows if window.kind in KINDS]
        self._forget(min([start - KEPT, *(window.started_at - LEAD for window in reached)]))
        told = [one for one in bucket.callers if one.series.destination != UNKNOWN]
        if not told:
            return
        self._remember(told, start)
        for window in reached:
            for row, verdict in self._scan(window, start).items():
                if row not in verdicts or not verdicts[row].alarm:
                    verdicts[row] = verdict

    def _remember(self, callers: Sequence[Caller], start: datetime) -> None:
        new = [
            (
                start.timestamp(),
                self._series.setdefault(one.series, len(self._series)),
                self._proxies.setdefault(_proxy(one), len(self._proxies)),
                one.errors,
            )
            for one in callers
        ]
        self._cells = np.concatenate([self._cells, np.array(new).T], axis=1)[:, -MAX_CELLS:]

    def _forget(self, before: datetime) -> None:
        """Drop old cells, and the names that only they used."""
        gone = int(np.searchsorted(self._cells[0], before.timestamp()))
        if not gone:
            return
        self._cells = self._cells[:, gone:].copy()
        series, self._cells[1] = np.unique(self._cells[1], return_inverse=True)
        proxies, self._cells[2] = np.unique(self._cells[2], return_inverse=True)
        names, pods = list(self._series), list(self._proxies)
        self._series = {names[int(old)]: new for new, old in enumerate(series)}
        self._proxies = {pods[int(old)]: new for new, old in enumerate(proxies)}

    def _scan(self, window: Window, start: datetime) -> dict[int, Verdict]:
        """Alarms of one window, each signal by itself."""
        since = np.searchsorted(self._cells[0], (window.started_at - LEAD).timestamp())
        cells, bucket_s = self._cells[:, since:], self._settings.bucket_s
        hit = scan.aligned(cells[0], self._resets(window)[cells[2].astype(np.int64)], bucket_s)
        fresh = hit & (cells[0] == start.timestamp())
        if not fresh.any():
            return {}
        times = np.sort(np.array([time.timestamp() for time in window.reconciled.values()]))
        chance = scan.by_chance(cells[0], times, window.expected, bucket_s)
        names = list(self._series)
        signals = np.array([one.signal for one in names])[cells[1].astype(np.int64)]
        found: dict[int, Verdict] = {}
        for signal in np.unique(signals[fresh]):
            here = signals == signal
            told = here & hit
            known = float(np.average(chance[told], weights=cells[3, told])) <= scan.CHANCE
            if known and np.unique(cells[2, told]).size >= LEAST_PROXIES:
                found |= self._decide(cells[:, here], hit[here], names, start)
        return found

    def _resets(self, window: Window) -> Floats:
        """When each known proxy reconciled; NaN if it has not.

        Where the logs do not tell a proxy's namespace, its pod has to do, if only one has it.
        """
        full = {name: time.timestamp() for name, time in window.reconciled.items()}
        bare = Counter(name.rpartition(".")[0] for name in full)
        full |= {
            pod: time
            for name, time in list(full.items())
            if bare[pod := name.rpartition(".")[0]] == 1
        }
        return np.array(
            [full.get(name, full.get(name.rpartition(".")[0], np.nan)) for name in self._proxies]
        )

    def _decide(
        self, cells: Floats, hit: Flags, names: Sequence[Series], start: datetime
    ) -> dict[int, Verdict]:
        """Alarms of the series with one signal, if together they speak for the window."""
        ids, at = np.unique(cells[1].astype(np.int64), return_inverse=True)
        rows = np.array([self._cat.keys.row(names[i]) for i in ids.tolist()])
        errors = np.bincount(at, weights=cells[3], minlength=ids.size).astype(np.float64)
        hits = np.bincount(at[hit], weights=cells[3, hit], minlength=ids.size).astype(np.float64)
        mean = scan.expected(self._usual(rows), self._settings.bucket_s)
        judged = self._cat.exposure.judged()[self._cat.ties.edge[rows]] & (rows > 0)
        evidence = np.where(judged, scan.evidence(hits, errors, mean), 0.0)
        carries = np.flatnonzero(evidence > 0)
        least = LEAST * self._settings.min_excess
        together = math.fsum(evidence)  # in whatever order the rows came
        if together <= scan.EVIDENCE or (hits - mean)[carries].sum() < least:
            return {}
        found: dict[int, Verdict] = {}
        for i in carries.tolist():
            first = datetime.fromtimestamp(float(cells[0, hit & (at == i)][0]), tz=UTC)
            found[int(rows[i])] = self._word(
                int(rows[i]), first, start, (float(hits[i]), float(mean[i]), together)
            )
        return found

    def _usual(self, rows: Ints) -> Floats:
        """Errors that each of ``rows`` is expected to have in a bucket."""
        seen = np.clip(self._cat.exposure.seen[self._cat.ties.edge[rows]], 1, DEPTH)
        return np.asarray(np.maximum(self._cat.spans.awaited[-1, rows], 0.0) / seen)

    def _word(
        self, row: int, first: datetime, start: datetime, figures: tuple[float, float, float]
    ) -> Verdict:
        hits, mean, surprise = figures
        step = timedelta(seconds=self._settings.bucket_s)
        slots = self._cat.spans.slots(min((start - first) // step + 1, DEPTH))
        edge = self._cat.ties.edge[row]
        return Verdict(
            time=start + step,
            series=self._cat.keys.key(row),
            started_at=first,
            errors=hits,
            requests=float(self._cat.exposure.requests[slots, edge].sum()),
            expected=mean,
            upper=float(tails.upper(np.array([mean]), np.array([2.5 * mean]))[0]),
            surprise=surprise,
            span_s=(start + step - first).total_seconds(),
            alarm=True,
        )

    def state(self) -> State:
        """All cells with their names."""
        names = json.dumps([list(self._series), list(self._proxies)]).encode()
        return {"cells": self._cells.copy(), "names": np.frombuffer(names, dtype=np.uint8)}

    def load(self, state: State) -> None:
        """Become what `state` described."""
        self._cells = state["cells"].astype(np.float64)
        series, proxies = json.loads(state["names"].tobytes())
        self._series = {Series(*one): i for i, one in enumerate(series)}
        self._proxies = {one: i for i, one in enumerate(proxies)}


def _proxy(caller: Caller) -> str:
    """The "pod.namespace" of a caller; its namespace is its workload's."""
    namespace = caller.series.source.rpartition(".")[2] if "." in caller.series.source else ""
    known = namespace and caller.pod.endswith(f".{namespace}")
    return caller.pod if known else f"{caller.pod}.{namespace}"
