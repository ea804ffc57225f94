"""Incidents as documents: exactly the contract at the edge, and nothing that JSON cannot carry."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.documents import IncidentDocument, decode, document, encode
from detector.types import Attribution, Incident, Series, Signature, Window

START = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
UPGRADE = Window(
    id="w1",
    kind="upgrade",
    started_at=START - timedelta(seconds=2),
    ended_at=None,
    from_version="1.28.0",
    to_version="1.29.1",
    revision="default",
    expected=9,
    reconciled={"cart-1.shop": START},
    failed=0,
    reason="istiod of another version started",
)


def incident(
    *,
    series: list[Series] | None = None,
    attribution: Attribution | None = None,
    signature: Signature | None = None,
    exemplars: list[str] | None = None,
    ended_at: datetime | None = None,
) -> Incident:
    return Incident(
        id="i1",
        status="open",
        detected_at=START + timedelta(seconds=10),
        started_at=START,
        ended_at=ended_at,
        series=series or [],
        errors=120,
        requests=400,
        expected=0.56789,
        upper=3,
        attribution=attribution or Attribution("unknown", None, 0.5, [], []),
        signature=signature,
        exemplars=exemplars or [],
    )


def test_a_document_is_the_contract_at_the_edge_field_by_field() -> None:
    full = incident(
        series=[Series("source", "frontend.shop", "cart.shop.svc.cluster.local", "NC")],
        attribution=Attribution("control-plane", UPGRADE, 0.97, ["follows"], ["might be chance"]),
        signature=Signature("nc-on-upgrade", "Routes before clusters", "Upgrade istiod"),
        exemplars=['[2026-03-01T12:00:05.250Z] "GET /cart HTTP/1.1" 503 NC'],
        ended_at=START + timedelta(minutes=1),
    )

    text = encode(full)

    assert "\n" not in text
    assert json.loads(text) == {
        "id": "i1",
        "status": "open",
        "severity": "info",
        "detected_at": "2026-03-01T12:00:15.250000Z",
        "started_at": "2026-03-01T12:00:05.250000Z",
        "ended_at": "2026-03-01T12:01:05.250000Z",
        "services": ["cart.shop.svc.cluster.local"],
        "sources": ["frontend.shop"],
        "signals": ["NC"],
        "observed": {"errors": 120.0, "requests": 400.0},
        "expected": {"errors": 0.568, "upper": 3.0},
        "excess": 119.432,
        "attribution": {
            "cause": "control-plane",
            "window": {
                "id": "w1",
                "kind": "upgrade",
                "started_at": "2026-03-01T12:00:03.250000Z",
                "ended_at": None,
                "from_version": "1.28.0",
                "to_version": "1.29.1",
            },
            "confidence": 0.97,
            "evidence": ["follows"],
            "against": ["might be chance"],
        },
        "signature": {
            "id": "nc-on-upgrade",
            "title": "Routes before clusters",
            "advice": "Upgrade istiod",
        },
        "exemplars": ['[2026-03-01T12:00:05.250Z] "GET /cart HTTP/1.1" 503 NC'],
    }
    assert list(json.loads(text)) == list(IncidentDocument.__struct_fields__)


def test_what_is_not_known_is_null() -> None:
    written = json.loads(encode(incident()))

    assert written["ended_at"] is None
    assert written["signature"] is None
    assert written["attribution"]["window"] is None


def test_names_come_once_in_the_order_of_excess_and_aggregates_name_nobody() -> None:
    found = document(
        incident(
            series=[
                Series("source", "unknown", "pay.shop.svc.cluster.local", "UF"),
                Series("source", "*", "cart.shop.svc.cluster.local", "NC"),
                Series("source", "web.shop", "*", "UF"),
                Series("destination", "gate.shop", "cart.shop.svc.cluster.local", "503"),
            ]
        )
    )

    assert found.services == ["pay.shop.svc.cluster.local", "cart.shop.svc.cluster.local"]
    assert found.sources == ["web.shop", "gate.shop"]
    assert found.signals == ["UF", "NC", "503"]


def test_times_of_other_zones_are_written_in_utc() -> None:
    east = incident(ended_at=datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))))

    assert json.loads(encode(east))["ended_at"] == "2026-03-01T12:00:00Z"


def test_an_unknown_field_is_refused_when_read_back() -> None:
    text = encode(incident()).replace('"excess"', '"surplus"')

    with pytest.raises(msgspec.ValidationError):
        decode(text)


@given(
    names=st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=4),
    lines=st.lists(st.text(st.characters(codec=None)), max_size=4),
)
def test_documents_survive_the_way_through_json_whatever_the_texts(
    names: list[tuple[str, str, str]], lines: list[str]
) -> None:
    original = incident(
        series=[Series("source", *name) for name in names],
        attribution=Attribution("workload", UPGRADE, 0.5, lines, lines),
        exemplars=lines,
    )

    assert decode(encode(original)) == document(original)
    assert decode(encode(original).encode()) == document(original)


def test_a_lone_surrogate_is_replaced_and_does_not_stop_the_document() -> None:
    assert document(incident(exemplars=["a\ud800b"])).exemplars == ["a?b"]
