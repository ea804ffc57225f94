"""Timelines: what changed when, the same however often a step is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from detector.incidents import Change
from detector.incidents.severity import MANY, PAGES, rank, severity
from detector.record import Record
from detector.replaying import Inputs, Outcome, replay
from detector.settings import Settings
from detector.store import Step, Store
from detector.store.outbox import outbox
from detector.timeline import Chronicle, Entry, Notice, notices
from detector.types import Attribution, Signature
from detector.worker import Worker
from tests.detector.conftest import RECORDINGS, Replayed
from tests.detector.report_samples import START, at, incident, window


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def told(url: str) -> list[tuple[str, int, str, str]]:
    """The outbox: incident, revision, kind and status."""
    engine = sa.create_engine(url)
    columns = (outbox.c.incident_id, outbox.c.incident_revision, outbox.c.kind, outbox.c.status)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*columns).order_by(outbox.c.id)).all()
    engine.dispose()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def opened() -> tuple[Chronicle, list[Entry]]:
    chronicle = Chronicle()
    chronicle.note(START, [Change("open", incident(), "NC beyond its baseline")])
    return chronicle, chronicle.take()


def test_a_recording_replayed_has_a_timeline_from_opening_to_end(replayed: Replayed) -> None:
    outcome = replayed("a_upgrade_nc")
    entries = outcome.worker.chronicle.take()
    found = outcome.worker.incidents[0]
    mine = [entry for entry in entries if entry.incident_id == found.id]

    assert [entry.number for entry in mine] == list(range(1, len(mine) + 1))
    assert mine[0].kind == "opened"
    assert mine[0].time == found.detected_at
    assert [entry.time for entry in mine] == sorted(entry.time for entry in mine)
    assert mine[-1].cause == found.attribution.cause


def test_a_replay_writes_timelines_and_tells_nobody(store: Store, url: str) -> None:
    outcome = recorded(store)

    for one in outcome.worker.incidents:
        assert store.timeline(one.id)[0].kind == "opened"
    assert told(url) == []


def news(entries: list[Entry], *, known: bool = True) -> list[Notice]:
    return notices(
        entries,
        [incident()],
        told=lambda asked: asked if known else (),
        held=lambda _: False,
    )


def recorded(store: Store) -> Outcome:
    folder = RECORDINGS / "a_upgrade_nc"
    inputs = Inputs(access=[str(folder / "access.log.zst")])
    return replay(inputs, Settings(), lambda _: None, store)


def test_what_a_live_run_finds_is_in_the_outbox_with_the_revision_it_was_written_under(
    store: Store, url: str
) -> None:
    worker = Worker(Settings())
    worker.book.restore(b"\x90")
    record = Record(store, worker, 0.0)
    record.tell = True
    worker.chronicle.note(START, [Change("open", incident(), "NC beyond its baseline")])
    store.commit(Step(incidents=[replace(incident(), status="open")]))
    entries = worker.chronicle.take()
    store.commit(Step(incidents=[incident()], entries=entries, notices=news(entries, known=False)))
    record.commit()

    assert told(url) == [("inc-1", 2, "opened", "resolved")]


def test_a_changed_cause_and_a_raised_severity_are_entries_and_a_new_confidence_is_none() -> None:
    chronicle, _ = opened()
    base = incident()
    surer = replace(base, attribution=replace(base.attribution, confidence=0.5))
    other = replace(
        base, attribution=Attribution("workload", None, 0.8, [], []), severity="warning"
    )

    chronicle.look(at(10), surer)
    assert chronicle.take() == []
    chronicle.look(at(20), other)
    chronicle.look(at(30), other)
    severity_entry, cause_entry = chronicle.take()

    assert (severity_entry.kind, severity_entry.text) == ("severity", "info became warning")
    assert (cause_entry.kind, cause_entry.cause) == ("cause", "workload")
    assert "(80% sure)" in cause_entry.text


def test_a_known_fault_found_later_is_an_entry_that_names_it() -> None:
    chronicle, _ = opened()
    chronicle.look(at(10), replace(incident(), signature=Signature("x", "Old routes", "Wait.")))

    (entry,) = chronicle.take()
    assert (entry.kind, entry.text.rpartition("; ")[2]) == ("cause", "known fault: Old routes")


def test_a_chronicle_restored_goes_on_with_the_next_number() -> None:
    chronicle, entries = opened()
    later = Chronicle()
    later.restore(chronicle.snapshot())

    for one in (chronicle, later):
        one.note(at(60), [Change("resolve", incident(), "no alarm for 600 s")])
    assert later.take() == chronicle.take()
    assert [entry.number for entry in entries] == [1]


def test_a_step_repeated_after_a_crash_replaces_its_entries(store: Store) -> None:
    chronicle, entries = opened()
    store.commit(Step(incidents=[incident()], entries=entries))
    state = chronicle.snapshot()
    chronicle.note(at(10), [Change("worsen", incident(), "twice as many")])
    chronicle.note(at(20), [Change("recover", incident(), "no alarm for 30 s")])
    store.commit(Step(entries=chronicle.take()))
    again = Chronicle()
    again.restore(state)
    again.note(at(15), [Change("recover", incident(), "no alarm for 30 s")])
    store.commit(Step(entries=again.take()))

    kinds = [(entry.number, entry.kind) for entry in store.timeline("inc-1")]
    assert kinds == [(1, "opened"), (2, "recovering")]


def test_several_changes_in_one_step_are_one_notice_and_an_opening_outweighs_the_rest() -> None:
    chronicle, _ = opened()
    changes = [Change("worsen", incident(), ""), Change("recover", incident(), "")]
    chronicle.note(at(10), changes)
    assert [one.kind for one in news(chronicle.take())] == ["recovering"]

    fresh = Chronicle()
    fresh.note(at(10), [Change("open", incident(), ""), *changes])
    (one,) = news(fresh.take())
    assert one.kind == "opened"
    assert (one.reach.services, one.reach.reconciled, one.reach.expected) == (2, 5, 6)
    assert one.document.id == "inc-1"


def test_another_series_alone_is_no_news() -> None:
    chronicle, _ = opened()
    chronicle.note(at(10), [Change("join", incident(), "same destination")])

    assert news(chronicle.take()) == []


def test_an_incident_forgotten_by_the_book_leaves_the_chronicle() -> None:
    chronicle, _ = opened()
    chronicle.forget([])
    chronicle.look(START + timedelta(hours=1), replace(incident(), severity="critical"))

    assert chronicle.take() == []


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_more_errors_of_the_same_requests_are_never_less_severe(
    fewer: float, more: float, requests: float
) -> None:
    fewer, more = sorted((fewer, more))
    assert rank(severity(fewer, requests)) <= rank(severity(more, requests))


def test_few_errors_wake_nobody_and_many_on_a_busy_service_neither() -> None:
    assert severity(MANY - 1, MANY) == "warning"
    assert severity(MANY, MANY / PAGES) == "critical"
    assert severity(MANY, 2 * MANY / PAGES) == "warning"
    assert window().expected == 6
