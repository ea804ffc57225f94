"""Any incident becomes a message that Slack takes, and that names out of logs cannot mark up."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.documents import (
    AttributionDocument,
    Expected,
    IncidentDocument,
    Observed,
    SignatureDocument,
    WindowReference,
)
from detector.notify import blocks, slack_message
from detector.notify.slack_message import Message
from detector.timeline import Notice, Reach, notice
from tests.web.samples import sample_incident

HOSTILE = (
    "<!channel>",
    "<@U1>",
    "<http://evil.example|x>",
    "&amp;",
    "```",
    "&" * 5_000,
    "x" * 5_000,
)
BLANK = st.sampled_from(["", " ", "\n", "\u200b", "\u00a0"])
TEXT = st.text(max_size=40) | BLANK | st.sampled_from(HOSTILE)
TEXTS = st.lists(TEXT, max_size=12)
TIMES = st.floats(0, 2e9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
COUNTS = st.floats(0, 1e12)
LINKS = re.compile(r"<https://pushwake\.example/[^<>|]*\|[^<>|]*>")
BASE = "https://pushwake.example"

windows = st.builds(
    WindowReference,
    id=TEXT,
    kind=st.sampled_from(["upgrade", "push", "manual"]),
    started_at=TIMES,
    ended_at=st.none() | TIMES,
    from_version=st.none() | TEXT,
    to_version=st.none() | TEXT,
)
attributions = st.builds(
    AttributionDocument,
    cause=st.sampled_from(["control-plane", "workload", "client", "unknown"]),
    window=st.none() | windows,
    confidence=st.floats(0, 1),
    evidence=TEXTS,
    against=TEXTS,
)
documents = st.builds(
    IncidentDocument,
    id=st.uuids().map(str),
    status=st.sampled_from(["open", "worsening", "recovering", "resolved"]),
    severity=st.sampled_from(["info", "warning", "critical"]),
    detected_at=TIMES,
    started_at=TIMES,
    ended_at=st.none() | TIMES,
    services=TEXTS,
    sources=TEXTS,
    signals=TEXTS,
    observed=st.builds(Observed, errors=COUNTS, requests=COUNTS),
    expected=st.builds(Expected, errors=COUNTS, upper=COUNTS),
    excess=COUNTS,
    attribution=attributions,
    signature=st.none() | st.builds(SignatureDocument, id=TEXT, title=TEXT, advice=TEXT),
    exemplars=TEXTS,
)
sizes = st.integers(0, 10**6)
reaches = st.builds(
    Reach, services=sizes, sources=sizes, expected=sizes, reconciled=sizes, refused=sizes
)


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    told = notice(sample_incident(1), "opened")
    return msgspec.structs.replace(
        told,
        document=draw(documents),
        verdict=draw(TEXT),
        cause=draw(TEXT),
        reach=draw(reaches),
    )


def texts(part: object, name: str = "") -> list[str]:
    """All that Slack reads as markup."""
    if isinstance(part, str):
        return [part] if name == "text" else []
    if isinstance(part, dict):
        plain = part.get("type") == "plain_text"
        return [] if plain else [t for key, value in part.items() for t in texts(value, key)]
    return [t for one in part for t in texts(one)] if isinstance(part, list) else []


def check(message: Message) -> None:
    """Slack's documented limits, and the length of a message from which it fails anyway."""
    assert 0 < len(message.text) <= 4_000
    assert 0 < len(message.blocks) <= 50
    assert blocks.size(message.blocks) <= 10_000
    assert len(json.dumps(message.blocks, ensure_ascii=False)) < 13_000
    for block in message.blocks:
        check_block(block)
    for text in [message.text, *texts(message.blocks)]:
        bare = LINKS.sub("", text)
        assert "<" not in bare
        assert ">" not in bare
        assert not re.search(r"&(?!amp;|lt;|gt;)", bare)


def check_block(block: dict[str, Any]) -> None:
    if block["type"] == "header":
        assert 0 < len(block["text"]["text"]) <= 150
    elif block["type"] == "context":
        assert 0 < len(block["elements"]) <= 10
    elif "fields" in block:
        assert 0 < len(block["fields"]) <= 10
        assert all(0 < len(one["text"]) <= 2_000 for one in block["fields"])
    else:
        assert 0 < len(block["text"]["text"]) <= 3_000


FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(notices())
def test_any_incident_fits_into_a_message_and_marks_nothing_up(told: Notice) -> None:
    for base_url in ("", BASE):
        check(slack_message.message(told, base_url))
        check(slack_message.resolved(told, base_url))
    check(slack_message.details(told))


@FEW
@given(st.lists(notices(), min_size=1, max_size=12))
def test_any_storm_fits_into_a_message(told: list[Notice]) -> None:
    check(slack_message.storm(told, BASE))


@given(st.text() | st.text("&<>", max_size=50), st.integers(6, 60))
def test_what_is_cut_is_cut_within_the_limit_and_never_inside_an_escape(
    text: str, limit: int
) -> None:
    short = blocks.escaped(text, limit)

    assert len(short) <= limit
    assert not re.search(r"&(?!amp;|lt;|gt;)", short)
