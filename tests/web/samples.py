"""Incidents and windows for the tests of the web process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detector.types import Attribution, Cause, Incident, Series, Signature, Status, Window

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

LINE = '[2026-03-01T12:00:00.000Z] "GET /cart/… HTTP/1.1" 503 NR route_not_found'


def sample_window(n: int = 0, *, ended: bool = True) -> Window:
    start = NOON + timedelta(hours=n)
    end = start + timedelta(minutes=4) if ended else None
    return Window(
        id=f"w{n:04}",
        kind="upgrade" if n % 2 == 0 else "push",
        started_at=start,
        ended_at=end,
        from_version="1.7.4",
        to_version="1.7.5",
        revision="default",
        expected=2,
        reconciled={"cart-7d9f.shop": start + timedelta(seconds=5)},
        failed=0,
        reason="istiod 1.7.5 takes over",
        affects_until=end,
    )


def sample_incident(
    n: int = 0,
    *,
    status: Status = "resolved",
    cause: Cause = "control-plane",
    service: str = "cart.shop.svc.cluster.local",
    source: str = "frontend.shop",
    signal: str = "NR",
    minutes: int | None = None,
) -> Incident:
    start = NOON + timedelta(minutes=n if minutes is None else minutes)
    resolved = status == "resolved"
    window = sample_window(0) if cause == "control-plane" else None
    return Incident(
        id=f"i{n:011}",
        status=status,
        detected_at=start + timedelta(seconds=20),
        started_at=start,
        ended_at=start + timedelta(minutes=2) if resolved else None,
        series=[Series("source", source, service, signal)],
        errors=412,
        requests=9871,
        expected=0.4,
        upper=3,
        attribution=Attribution(cause, window, 0.9, ["evidence"], ["against"]),
        signature=Signature("routes-first", "Routes first", "Wait") if n % 2 else None,
        exemplars=[LINE],
        severity="critical" if n == 4 else "warning",
    )


def sample_incidents() -> list[Incident]:
    """Twelve incidents, all different in what they can be asked for."""
    return [
        *(sample_incident(n) for n in range(8)),
        sample_incident(8, status="open", cause="workload", signal="500"),
        sample_incident(9, status="worsening", cause="unknown", service="pay.bank"),
        sample_incident(10, minutes=5, source="web.front", service="api.edge", signal="UF"),
        sample_incident(11, minutes=5),
    ]


def sample_windows() -> list[Window]:
    return [sample_window(0), sample_window(1), sample_window(2, ended=False)]
