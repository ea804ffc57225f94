"""What people want is heeded: silences hold back notices, what is expected opens no incident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import clock, documents
from detector.incidents import expectation
from detector.incidents.expectations import WORSE, foreseen
from detector.replaying import Inputs, replay
from detector.settings import Settings, StoreSettings
from detector.silencing import Matcher, Silence, fits, silencers
from detector.store import Step, Store
from detector.store.feedback import Feedback, feedback_of, put_feedback
from detector.store.marks import marking
from detector.store.reading import reading
from detector.store.silences import end_silence, put_silence
from detector.timeline import Entry, EntryKind, notices
from detector.types import Incident, Series, Verdict
from tests.detector.conftest import RECORDINGS
from tests.detector.report_samples import START, incident, window


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def silence(matcher: Matcher, *, begins_s: float = -60, lasts_s: float = 3600) -> Silence:
    start = clock.now() + timedelta(seconds=begins_s)
    return Silence(
        id="s1",
        matcher=matcher,
        reason="known",
        owner="ann",
        created_by="ann",
        created_at=start,
        starts_at=start,
        ends_at=start + timedelta(seconds=lasts_s),
    )


def live() -> Incident:
    return replace(incident(), status="open", ended_at=None)


def tell(store: Store, one: Incident, *kinds: EntryKind) -> list[str]:
    """What a step of the worker tells of an incident after changes of these kinds."""
    entries = [entry(number, kind) for number, kind in enumerate(kinds, 1)]
    made = notices(entries, [one], told=store.told, held=store.wishes().hold_back)
    store.commit(Step(incidents=[one], notices=made))
    return [notice.kind for notice in made]


def entry(number: int, kind: EntryKind) -> Entry:
    return Entry(
        incident_id=incident().id,
        number=number,
        time=START,
        kind=kind,
        text="",
        status="open",
        severity="info",
        cause="unknown",
        confidence=0.5,
        errors=1,
        excess=1,
    )


def write(store: Store, url: str, matcher: Matcher) -> None:
    store.commit(Step())
    with marking(StoreSettings(url=url)) as connection:
        put_silence(connection, silence(matcher))


CART = Matcher(service=("cart.*", "payments.*"), signal=("NC",))


def test_a_silenced_incident_is_told_once_the_silence_ends_if_it_still_goes_on(
    store: Store, url: str
) -> None:
    write(store, url, CART)
    assert tell(store, live(), "opened") == []
    assert tell(store, live(), "worsened") == []
    with marking(StoreSettings(url=url)) as connection:
        end_silence(connection, "s1", clock.now())
    assert tell(store, live()) == ["opened"]
    assert tell(store, live()) == []
    assert tell(store, live(), "worsened") == ["worsened"]


def test_a_silenced_incident_that_ends_meanwhile_is_never_told(store: Store, url: str) -> None:
    write(store, url, CART)
    assert tell(store, live(), "opened") == []
    with marking(StoreSettings(url=url)) as connection:
        end_silence(connection, "s1", clock.now())
    assert tell(store, incident(), "resolved") == []


def test_of_an_incident_that_was_told_before_its_silence_the_end_is_told_all_the_same(
    store: Store, url: str
) -> None:
    assert tell(store, live(), "opened") == ["opened"]
    write(store, url, CART)
    assert tell(store, live(), "worsened") == []
    assert tell(store, incident(), "resolved") == ["resolved"]


def test_of_an_incident_called_expected_no_more_is_told(store: Store, url: str) -> None:
    assert tell(store, live(), "opened") == ["opened"]
    expect(url, live())
    assert tell(store, live(), "worsened", "severity") == []


def expect(url: str, one: Incident) -> None:
    document = documents.document(one)
    said = Feedback(incident_id=one.id, verdict="expected", by="ann", at=START)
    with marking(StoreSettings(url=url)) as connection:
        put_feedback(connection, said, expectation(document))


def test_what_was_called_expected_opens_no_incident_in_the_next_judgement_and_is_counted(
    store: Store, url: str, tmp_path: Path
) -> None:
    folder = RECORDINGS / "a_upgrade_nc"
    inputs = Inputs(access=[str(folder / "access.log.zst")])
    found = replay(inputs, Settings(), lambda _: None, store).worker.incidents
    assert found

    other = f"sqlite:///{tmp_path / 'other.db'}"
    with Store.open(other) as second:
        second.commit(Step())
        for one in found:
            expect(other, one)
        assert replay(inputs, Settings(), lambda _: None, second).worker.incidents == []
    with reading(StoreSettings(url=other)) as connection:
        said = feedback_of(connection, [one.id for one in found])
    assert sum(one.held_back for one in said.values()) > 0


def verdict(errors: float) -> Verdict:
    series = Series("source", "frontend.default", incident().series[0].destination, "NC")
    return Verdict(START, series, START, errors, 1000, 0, 3, 9, 10, True)


def test_only_the_like_of_what_was_called_expected_is_foreseen() -> None:
    known = expectation(documents.document(incident()))
    at_most = WORSE * known.excess
    push = replace(window(), kind="push")

    assert foreseen(verdict(at_most), [window()], [known]) is known
    assert foreseen(verdict(at_most + 1), [window()], [known]) is None
    assert foreseen(verdict(1), [push], [known]) is None
    assert foreseen(verdict(1), [], [known]) is None
    other = replace(verdict(1), series=Series("source", "a.b", "c.d", "NC"))
    assert foreseen(other, [window()], [known]) is None
    assert foreseen(verdict(1), [window()], []) is None


@pytest.mark.parametrize(
    ("matcher", "meant"),
    [
        (Matcher(), False),
        (Matcher(service=("cart.default.svc.cluster.local",)), False),
        (Matcher(service=("*",)), True),
        (Matcher(namespace=("default",)), True),
        (Matcher(namespace=("shop",)), False),
        (Matcher(source=("frontend.*",), cause=("control-plane",)), True),
        (Matcher(cause=("workload",)), False),
        (Matcher(severity=(incident().severity,)), True),
        (Matcher(fault=("none-such",)), False),
    ],
)
def test_a_matcher_means_an_incident_that_reaches_no_further_than_it_names(
    matcher: Matcher, meant: bool
) -> None:
    document = documents.document(incident())
    assert len(document.services) == 2
    assert fits(matcher, document) is meant


@given(st.floats(-7200, 7200), st.floats(1, 7200))
def test_a_silence_holds_from_its_start_until_before_its_end(
    begins_s: float, lasts_s: float
) -> None:
    one = silence(Matcher(service=("*",)), begins_s=begins_s, lasts_s=lasts_s)
    document = documents.document(incident())
    instant = timedelta(microseconds=1)

    assert silencers([one], document, one.starts_at) == [one]
    assert silencers([one], document, one.ends_at - instant) == [one]
    assert silencers([one], document, one.ends_at) == []
    assert silencers([one], document, one.starts_at - instant) == []
