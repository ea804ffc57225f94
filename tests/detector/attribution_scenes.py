"""Cases for attribution: small ones by hand, simulated meshes by seed, and derived recordings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from detector.attribution import Case
from detector.attribution.evidence import HISTORY
from detector.types import Attribution, Incident, Series, Window, WindowKind
from pipelines.schema import MOMENTS

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data" / "attribution"
TYPICAL = {"upgrade": 0.01, "sidecar-rollout": 0.02, "restart": 0.01, "push": 0.05}

CODES = {"NC": 503, "NR": 503, "UH": 503, "UF": 503, "UC": 503, "UPE": 502, "UT": 504, "401": 401}


def after(seconds: float) -> datetime:
    """A time of the scene: so many seconds after its start."""
    return START + timedelta(seconds=seconds)


@dataclass
class Scene:
    """Errors and windows, put together into a case."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    expected: float = 0.01  # errors per bucket and series that the baseline expects

    def error(
        self,
        at: float,
        *,
        pod: str | None = None,
        source: str = "web.shop",
        destination: str = "cart",
        server: str | None = None,
        signal: str = "NC",
        details: str | None = None,
        inbound: bool = False,
        code: int | None = None,
    ) -> None:
        """One error ``at`` seconds after the scene's start."""
        self.rows.append(
            {
                "time": after(at),
                "reporter": "destination" if inbound else "source",
                "source": "unknown" if inbound else source,
                "source_pod": None if inbound else pod,
                "destination": f"{destination}.shop.svc.cluster.local",
                "destination_pod": server,
                "signal": signal,
                "response_code": code if code is not None else CODES.get(signal, 503),
                "response_flags": signal,
                "details": details,
                "count": 1,
            }
        )

    def window(
        self,
        kind: WindowKind,
        reconciled: Mapping[str, float],
        *,
        expected: int | None = None,
        name: str | None = None,
        ended: bool = True,
        versions: tuple[str | None, str | None] = (None, None),
    ) -> Window:
        """A window whose proxies reconcile at these times, seconds after the scene's start."""
        times = list(reconciled.values())
        made = Window(
            id=name or f"w{len(self.windows)}",
            kind=kind,
            started_at=after(min(times)),
            ended_at=after(max(times)) if ended else None,
            from_version=versions[0],
            to_version=versions[1],
            revision=None,
            expected=expected if expected is not None else len(reconciled),
            reconciled={proxy: after(when) for proxy, when in reconciled.items()},
            failed=0,
            reason="a test says so",
        )
        self.windows.append(made)
        return made

    def case(
        self,
        *,
        now: float | None = None,
        coverage: Mapping[str, float] | None = None,
        resolution_s: float = 0.001,
        onset: float | None = None,
    ) -> Case:
        """The case at ``now`` (default: a minute after the last error)."""
        until = after(now) if now is not None else max(r["time"] for r in self.rows) + _MINUTE
        moments = _frame(row for row in self.rows if row["time"] < until)
        first = after(onset) if onset is not None else moments["time"].min()
        assert isinstance(first, datetime)
        keys = ["reporter", "source", "destination", "signal"]
        series = [Series(*row) for row in moments.select(keys).unique().sort(keys).rows()]
        bucket = pl.col("time").dt.truncate("10s").alias("time")
        history = (
            moments.group_by(bucket, *keys)
            .agg(pl.col("count").sum().cast(pl.Float64).alias("errors"))
            .with_columns(requests=pl.lit(1000.0), expected=pl.lit(self.expected))
            .select(list(HISTORY))
            .sort("time", *keys)
        )
        if resolution_s >= 1.0:
            moments = moments.with_columns(bucket)
        return Case(
            incident=_incident(series, first, moments.height),
            history=history,
            moments=moments,
            windows=[_until(window, until) for window in self.windows if window.started_at < until],
            coverage=TYPICAL if coverage is None else coverage,
            resolution_s=resolution_s,
            now=until,
            first_seen=START - timedelta(hours=6),
        )


_MINUTE = timedelta(seconds=60)


def _frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=MOMENTS).sort("time")


def _incident(series: Sequence[Series], started_at: datetime, errors: int) -> Incident:
    return Incident(
        id="incident",
        status="open",
        detected_at=started_at + timedelta(seconds=20),
        started_at=started_at,
        ended_at=None,
        series=list(series),
        errors=float(errors),
        requests=10_000.0,
        expected=0.1,
        upper=2.0,
        attribution=Attribution("unknown", None, 0.5, [], []),
    )


def _until(window: Window, now: datetime) -> Window:
    """What was known of a window by then."""
    seen = {proxy: when for proxy, when in window.reconciled.items() if when < now}
    ended = window.ended_at if len(seen) == len(window.reconciled) else None
    return replace(window, reconciled=seen, ended_at=ended)


def anonymous(case: Case) -> Case:
    """The same case from counts that name no proxies."""
    nobody = pl.lit(None, pl.String)
    moments = case.moments.with_columns(source_pod=nobody, destination_pod=nobody, details=nobody)
    return replace(case, moments=moments)


def recording(name: str) -> tuple[Case, str]:
    """The last case of a recording of real proxies, as the detector saw it, and the true cause."""
    document = json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))
    origin = datetime.fromisoformat(document["t0"])
    told = document["incident"]
    series = [Series(*one) for one in told["series"]]
    incident = _incident(series, datetime.fromisoformat(told["started_at"]), round(told["errors"]))
    case = Case(
        incident=incident,
        history=_columns(document["history"], origin).cast(pl.Schema(HISTORY)),
        moments=_columns(document["moments"], origin)
        .with_columns(response_flags=pl.col("signal"))
        .select(list(MOMENTS))
        .cast(pl.Schema(MOMENTS)),
        windows=[
            Window(
                **{
                    **one,
                    "started_at": datetime.fromisoformat(one["started_at"]),
                    "ended_at": datetime.fromisoformat(one["ended_at"]),
                    "reconciled": {
                        proxy: datetime.fromisoformat(when)
                        for proxy, when in one["reconciled"].items()
                    },
                }
            )
            for one in document["windows"]
        ],
        coverage=document["coverage"],
        resolution_s=0.001,
        now=datetime.fromisoformat(document["now"]),
        first_seen=origin,
    )
    return case, document["cause"]


def _columns(document: Mapping[str, Any], origin: datetime) -> pl.DataFrame:
    """Columns of strings are stored as indices into their values, -1 for null."""
    data = {
        name: [None if at < 0 else column["of"][at] for at in column["at"]]
        if isinstance(column, dict)
        else column
        for name, column in document.items()
    }
    start = pl.lit(origin).dt.cast_time_unit("us")
    return pl.DataFrame(data).with_columns(time=start + pl.duration(milliseconds="time"))


def shifted(window: Window, seconds: float) -> Window:
    """The same window at another time."""
    by = timedelta(seconds=seconds)
    return replace(
        window,
        started_at=window.started_at + by,
        ended_at=None if window.ended_at is None else window.ended_at + by,
        reconciled={proxy: when + by for proxy, when in window.reconciled.items()},
    )


class Mesh:
    """A simulated mesh: services with pods, and edges with traffic of very different rates."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        services = [f"svc{n}" for n in range(int(self.rng.integers(6, 20)))]
        self.pods = {
            name: [self._pod(name) for _ in range(int(self.rng.integers(1, 7)))]
            for name in services
        }
        self.edges = [
            (name, str(to), float(10 ** self.rng.uniform(-0.5, 0.8)))
            for name in services
            for to in self.rng.choice(services, 3, replace=False)
            if to != name
        ]

    def _pod(self, name: str) -> str:
        letters = list("bcdfghjklmnpqrstvwxz2456789")
        tail = "".join(self.rng.choice(letters, 14))
        return f"{name}-v1-{tail[:9]}-{tail[9:]}"

    def rollout(self, start: float, *, length: float) -> dict[str, float]:
        """Times at which all proxies change, in random order."""
        names = [f"{pod}.shop" for pods in self.pods.values() for pod in pods]
        times = start + np.sort(self.rng.uniform(0.0, length, len(names)))
        times[0] = start
        return dict(zip(self.rng.permutation(names).tolist(), times.tolist(), strict=True))

    def times(self, rate: float, start: float, end: float) -> list[float]:
        """Poisson arrivals."""
        if end <= start:
            return []
        found = self.rng.uniform(start, end, int(self.rng.poisson(rate * (end - start))))
        return [float(one) for one in found]

    def destinations(self, at_most: int) -> set[str]:
        """Some destinations that are really called."""
        called = sorted({to for _, to, _ in self.edges})
        count = int(self.rng.integers(1, at_most + 1))
        return {str(one) for one in self.rng.choice(called, count, replace=False)}
