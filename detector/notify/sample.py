"""The incident of a test message: made up, and says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from detector.documents import (
    AttributionDocument,
    Expected,
    IncidentDocument,
    Observed,
    SignatureDocument,
    WindowReference,
)
from detector.timeline import Notice, Reach

VERDICT = (
    "This is a test, nothing has happened. A real one reads: 412 of 9,871 requests from frontend "
    "to cart failed with NR (4.2%, expected 0.4) within 3 s of each proxy's reconnect after istiod "
    "1.7.4 → 1.7.5."
)


def sample(now: datetime) -> Notice:
    """A notice as of ``now``."""
    start = now - timedelta(minutes=2)
    window = WindowReference(
        id="test",
        kind="upgrade",
        started_at=start,
        ended_at=None,
        from_version="1.7.4",
        to_version="1.7.5",
    )
    document = IncidentDocument(
        id="test",
        status="open",
        severity="info",
        detected_at=start + timedelta(seconds=20),
        started_at=start,
        ended_at=None,
        services=["cart.shop.svc.cluster.local"],
        sources=["frontend.shop"],
        signals=["NR"],
        observed=Observed(errors=412, requests=9871),
        expected=Expected(errors=0.4, upper=3),
        excess=411.6,
        attribution=AttributionDocument(
            cause="control-plane",
            window=window,
            confidence=0.97,
            evidence=["96% of the errors came within 3 s of their own proxy's reconnect"],
            against=["a deployment of cart began 40 s before"],
        ),
        signature=SignatureDocument(
            id="test", title="Routes before clusters", advice="Hold the next wave, then upgrade"
        ),
        exemplars=['"GET /cart/{id} HTTP/1.1" 503 NR route_not_found'],
    )
    return Notice(
        kind="opened",
        verdict=VERDICT,
        cause="istiod upgrade 1.7.4 → 1.7.5",
        reach=Reach(services=1, sources=1, reconciled=45, expected=52, refused=0),
        document=document,
    )
