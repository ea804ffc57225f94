"""An upgrade in which every proxy fails for three seconds after its reconnect, made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from detector.report.detail import IncidentDetail
from detector.report.page import InputSummary, Report
from detector.types import Attribution, Incident, Series, Signature, Window
from pipelines import schema

START = datetime(2026, 11, 23, 5, 39, 47, tzinfo=UTC)
CART = "cart.default.svc.cluster.local"
PAYMENTS = "payments.default.svc.cluster.local"
PODS = [f"frontend-v1-d892h245fc-{n}" for n in ("aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee")]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def window() -> Window:
    """Five proxies of six reconnect, five seconds apart."""
    return Window(
        id="w1",
        kind="upgrade",
        started_at=START,
        ended_at=at(30),
        from_version="1.26.4",
        to_version="1.27.1",
        revision="default",
        expected=6,
        reconciled={f"{pod}.default": at(5 * i) for i, pod in enumerate(PODS)},
        failed=1,
        reason="istiod 1.27.1 started and proxies of 1.26.4 reconnected to it",
    )


def moments() -> pl.DataFrame:
    """Per pod 4 NC to cart half a second, and 2 to payments two seconds after its reconnect."""
    rows = [
        {
            "time": at(5 * i + after),
            "reporter": "source",
            "source": "frontend.default",
            "source_pod": pod,
            "destination": destination,
            "signal": "NC",
            "response_code": 503,
            "response_flags": "NC",
            "details": "cluster_not_found",
            "count": count,
        }
        for i, pod in enumerate(PODS)
        for after, destination, count in ((0.5, CART, 4), (2.2, PAYMENTS, 2))
    ]
    return pl.DataFrame(rows, schema=schema.MOMENTS)


def history() -> pl.DataFrame:
    """The same errors in buckets of 10 s."""
    return (
        moments()
        .group_by(pl.col("time").dt.truncate("10s"), "reporter", "source", "destination", "signal")
        .agg(errors=pl.col("count").sum().cast(pl.Float64))
        .with_columns(requests=pl.lit(100.0), expected=pl.lit(0.2))
        .sort("time", "destination")
    )


def incident() -> Incident:
    return Incident(
        id="inc-1",
        status="resolved",
        detected_at=at(9),
        started_at=START,
        ended_at=at(23),
        series=[
            Series("source", "frontend.default", CART, "NC"),
            Series("source", "frontend.default", PAYMENTS, "NC"),
        ],
        errors=30,
        requests=600,
        expected=1.2,
        upper=6,
        attribution=Attribution(
            cause="control-plane",
            window=window(),
            confidence=0.97,
            evidence=["30 of 30 errors fall within 3 s of their own proxy's reconnect"],
            against=["windows of this kind cover 24% of the time", "only one period was seen"],
        ),
        signature=Signature("nc", "Routes before clusters", "Upgrade by revision."),
        exemplars=['[2026-11-23T05:39:47.908Z] "GET /pay HTTP/1.1" 503 NC cluster_not_found'],
    )


def workload_incident() -> Incident:
    told = Attribution("workload", None, 0.88, ["only payments fails"], [])
    series = [Series("source", "frontend.default", PAYMENTS, "UF")]
    return replace(incident(), id="inc-2", series=series, attribution=told, signature=None)


def detail() -> IncidentDetail:
    return IncidentDetail(incident(), history(), moments())


def a_report() -> Report:
    """One upgrade, one incident, a few rejects."""
    return Report(
        title="Replay of shop.log",
        started_at=at(-47),
        ended_at=at(60),
        version="0.1.0",
        input=InputSummary(1_204, 1_200, {"truncated": 3, "not-utf8": 1}, 2, 6, ["shop.log"]),
        incidents=[detail()],
        windows=[window()],
    )
