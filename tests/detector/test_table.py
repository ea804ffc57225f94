"""What the terminal says of incidents and scores."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from detector.report import phrases, table, wording
from detector.types import Incident, Series
from tests.detector import report_samples as samples


def shown(what: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True, force_terminal=False).print(what)
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_verdict_is_one_sentence_with_all_its_numbers() -> None:
    assert wording.tell(samples.incident()) == (
        "NC (no such cluster) on cart.default, payments.default: 30 of 600 requests failed (5.0%) "
        "where 1.2 were expected, 29 too many, from 05:39:47 UTC for 23 s; this follows the "
        "istiod upgrade 1.26.4 → 1.27.1 (confidence 97%)."
    )


def test_the_terminal_and_the_page_share_the_verdict() -> None:
    assert table.tell(samples.incident()) == wording.tell(samples.incident())


def test_an_incident_without_an_end_is_told_as_going_on() -> None:
    assert "not over yet" in wording.tell(replace(samples.incident(), ended_at=None, status="open"))


def test_one_incident_makes_a_headline_with_its_window_and_proxies() -> None:
    assert wording.headline([samples.incident()], [samples.window()], 1_200) == (
        "1 incident: NC on 2 services followed the istiod upgrade 1.26.4 → 1.27.1; "
        "5 of 6 proxies reconciled, 1 refused."
    )


def test_several_incidents_are_tallied_by_cause_and_the_largest_is_named() -> None:
    small = replace(samples.workload_incident(), errors=5)

    assert wording.headline([small, samples.incident()], [], 1) == (
        "2 incidents: 1 followed the control plane, 1 came from a workload. The largest: NC on "
        "2 services followed the istiod upgrade 1.26.4 → 1.27.1; 5 of 6 proxies reconciled, "
        "1 refused."
    )


def test_silence_is_told_as_good_news_only_when_something_was_read() -> None:
    assert wording.headline([], [samples.window()], 10) == (
        "The mesh was fine: no incident. 1 reconciliation window passed without harm."
    )
    assert wording.headline([], [], 0) == "Nothing to judge: no access log entry was read."


@pytest.mark.parametrize("width", [80, 120])
def test_the_incident_table_fits_the_terminal_and_says_everything(width: int) -> None:
    text = shown(table.incidents([samples.incident()]), width)

    assert max(len(line) for line in text.splitlines()) <= width
    for part in ("05:39:47", "over", "NC on", "30", "of 600", "expected 1.2", "97% sure"):
        assert part in text
    assert "cart.default" in words(text)
    assert "control plane" in words(text)
    assert "Routes before clusters" in words(text)


def test_no_incident_is_said_in_words() -> None:
    assert shown(table.incidents([]), 80) == "No incident.\n"


def test_brackets_and_escape_sequences_in_names_stay_text() -> None:
    evil = "[bold red]x\x1b[31m\u202e[/]"
    series = [Series("source", "a.b", evil, "NC")]
    text = shown(table.incidents([replace(samples.incident(), series=series)]), 120)

    assert "[bold red]x" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_hundreds_of_incidents_and_services_end_in_a_count_of_the_rest() -> None:
    series = [Series("source", "a.b", f"s{n}.default", "NC") for n in range(500)]
    many = [replace(samples.incident(), series=series)] * 200
    text = shown(table.incidents(many), 120)

    assert "+496 more" in text
    assert "+160 more incidents" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_score_table_shows_misses_as_plainly_as_hits(width: int) -> None:
    rows = [
        table.ScoreRow(
            "nc", "control plane: NC", "NC on cart", "control plane", 9.4, "right", True
        ),
        table.ScoreRow("te", "control plane: UPE", "nothing", "-", None, "missed", False),
    ]
    text = shown(table.scores(rows), width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert "9 s" in text
    assert "missed" in text
    assert "1 of 2 right" in text


@given(st.text(max_size=300), st.integers(4, 80))
def test_cleaned_text_is_bounded_and_has_no_control_characters(text: str, limit: int) -> None:
    cleaned = phrases.clean(text, limit)

    assert len(cleaned) <= limit
    assert cleaned.isprintable() or not text.isprintable()
    assert not any(c in cleaned for c in "\x00\x1b\n\r\u202e")


@given(st.text(alphabet="abc.-", max_size=20))
def test_harmless_short_names_are_left_as_they_are(text: str) -> None:
    assert phrases.clean(text, 20) == text


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_to_certainty(share: float) -> None:
    said = phrases.percent(share)

    assert (said == "100%") == (share == 1)
    assert (said in {"0%", "0.0%"}) == (share == 0)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_a_duration_has_one_or_two_units(span: timedelta) -> None:
    units = [word for word in phrases.duration(span).split() if word.isalpha() and word != "under"]

    assert 1 <= len(units) <= 2


def test_an_incident_that_only_aggregates_hold_still_has_names() -> None:
    series = [Series("source", "*", "*", "NC")]
    incident: Incident = replace(samples.incident(), series=series)

    assert wording.services(incident) == ["any service"]
    assert wording.sources(incident) == ["any caller"]
