"""The examples of the OpenAPI document, as they are answered: one incident and what is around."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detector.conditions import Condition
from detector.documents import (
    AttributionDocument,
    Expected,
    IncidentDocument,
    Observed,
    SignatureDocument,
    WindowReference,
)
from detector.engine.baselines import Baseline
from detector.missed import Miss
from detector.reconciliation import ProxyRow, WorkloadRollout
from detector.signatures import Fault
from detector.silencing import Matcher, Silence
from detector.store.audit import AuditEntry
from detector.store.feedback import Acknowledgement, Feedback
from detector.timeline import Entry
from detector.types import Series, Window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

WINDOW = Window(
    id="upgrade-4f21c0",
    kind="upgrade",
    started_at=NOON,
    ended_at=NOON + timedelta(minutes=4),
    from_version="1.7.4",
    to_version="1.7.5",
    revision="default",
    expected=2,
    reconciled={
        "cart-7d9f.shop": NOON + timedelta(seconds=20),
        "frontend-5c8b.shop": NOON + timedelta(seconds=35),
    },
    failed=0,
    reason="istiod 1.7.5 takes over from 1.7.4",
    affects_until=NOON + timedelta(minutes=5),
)

INCIDENT = IncidentDocument(
    id="0a1b2c3d4e5f",
    status="resolved",
    severity="critical",
    detected_at=NOON + timedelta(seconds=30),
    started_at=NOON + timedelta(seconds=20),
    ended_at=NOON + timedelta(minutes=4),
    services=["cart.shop.svc.cluster.local"],
    sources=["frontend.shop"],
    signals=["NR"],
    observed=Observed(errors=412, requests=9871),
    expected=Expected(errors=0.4, upper=3),
    excess=411.6,
    attribution=AttributionDocument(
        cause="control-plane",
        window=WindowReference(
            id=WINDOW.id,
            kind=WINDOW.kind,
            started_at=WINDOW.started_at,
            ended_at=WINDOW.ended_at,
            from_version=WINDOW.from_version,
            to_version=WINDOW.to_version,
        ),
        confidence=0.99,
        evidence=["96 % of the errors came within 4 s of their own proxy's reconnect"],
        against=["such windows cover 3 % of the time"],
    ),
    signature=SignatureDocument(
        id="routes-before-clusters",
        title="Routes arrive after their listener",
        advice="Move proxies in smaller steps",
    ),
    exemplars=['[2026-11-23T12:00:21.000Z] "GET /cart/… HTTP/1.1" 503 NR route_not_found'],
)

MARKED = Window(
    id="m5d0c1b2a39f84e76",
    kind="manual",
    started_at=NOON,
    ended_at=None,
    from_version="1.7.4",
    to_version="1.7.5",
    revision=None,
    expected=0,
    reconciled={},
    failed=0,
    reason="upgrade marked by deployer",
)

SILENCE = Silence(
    id="s81f0c2d4a6b8",
    matcher=Matcher(service=("cart.shop.svc.cluster.local",), signal=("NR",)),
    reason="known, fixed by the next release",
    owner="ann",
    created_by="on-call",
    created_at=NOON,
    starts_at=NOON,
    ends_at=NOON + timedelta(hours=4),
)

ACKNOWLEDGEMENT = Acknowledgement(
    incident_id=INCIDENT.id, by="on-call", at=NOON + timedelta(minutes=1), note="looking into it"
)

FEEDBACK = Feedback(
    incident_id=INCIDENT.id,
    verdict="expected",
    by="on-call",
    at=NOON + timedelta(minutes=9),
    note="we drain this zone every Monday",
    held_back=3,
)

MISS = Miss(
    id="fa0475ae2229",
    service="cart.shop",
    signal="UC",
    started_at=NOON - timedelta(minutes=30),
    ended_at=NOON - timedelta(minutes=29),
    failed=57,
    requests=190,
    cause="workload",
    note="pushwake traffic, fault 3-reset",
    by="qualification",
    reported_at=NOON,
)

AUDITED = AuditEntry(
    id=17,
    at=NOON + timedelta(minutes=9),
    by="on-call",
    action="incident.feedback",
    subject=INCIDENT.id,
    request_id="5f2b8c1d9e0a4b76",
    details={"verdict": "expected", "note": "we drain this zone every Monday"},
)

BASELINE = Baseline(
    series=Series("source", INCIDENT.sources[0], INCIDENT.services[0], "NR"),
    since=NOON - timedelta(days=9),
    settles_at=NOON - timedelta(days=8),
    judged=True,
    counted=False,
    rate=4e-5,
)

ROLLOUT = WorkloadRollout(
    workload="cart.shop",
    started_at=NOON - timedelta(minutes=20),
    latest=NOON - timedelta(minutes=18),
    reason="Scaled up replica set cart-7d9f to 3",
    id="6b1d0c9f8e7a5432",
    events=4,
)

FAULT = Fault(
    id="routes-before-clusters",
    title="Routes arrive after their listener",
    cause="control-plane",
    advice="Move proxies in smaller steps",
    references=("Envoy, xDS protocol: eventual consistency considerations",),
    signals=("NR",),
    details="route_not_found",
    alignment="proxy",
    windows=("upgrade",),
)

CONDITION = Condition(
    kind="silent",
    subject="istio-access/3",
    since=NOON - timedelta(minutes=5),
    seen=NOON,
    until=None,
    text="partition istio-access/3 used to give records and gave none for 5 min",
    advice="Look at its shippers and their credentials",
)

PROXY = ProxyRow(
    name="cart-7d9f.shop",
    pod="cart-7d9f",
    namespace="shop",
    workload="cart",
    proxy_version="1.7.4",
    istiod="istiod-6c8d",
    version="1.7.5",
    revision="default",
    connected=True,
    seen_at=NOON + timedelta(seconds=21),
    connected_at=NOON + timedelta(seconds=20),
    pushed={"LDS": NOON + timedelta(seconds=20)},
    acked={"LDS": NOON + timedelta(seconds=21)},
    told_by={"connect": "istiod-log"},
)

ENTRY = Entry(
    incident_id=INCIDENT.id,
    number=1,
    time=INCIDENT.detected_at,
    kind="opened",
    text="NR from frontend.shop to cart.shop.svc.cluster.local: 37 of 840 requests",
    status="open",
    severity="warning",
    cause="control-plane",
    confidence=0.97,
    errors=37.0,
    excess=36.9,
)
