"""What is kept of an incident for its page."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.details import DetailLog, coarser, pack, unpack
from detector.report.detail import IncidentDetail
from detector.report.incident_view import view
from detector.settings import StoreSettings
from detector.store import Step, Store
from detector.store.impact import Cost, costs_of, details_of, service_costs, shares_of
from detector.store.reading import reading
from detector.types import Share
from tests.detector import report_samples as samples

HOUR = samples.at(3600) - samples.START


@pytest.fixture
def store_url(tmp_path: object) -> str:
    return f"sqlite:///{tmp_path}/store.db"


def detail() -> IncidentDetail:
    return IncidentDetail(samples.incident(), samples.history(), samples.moments())


def test_details_come_back_from_the_store_and_draw_the_same_charts(store_url: str) -> None:
    log = DetailLog(HOUR)
    log.note(samples.incident(), samples.history(), samples.moments())
    with Store.open(store_url) as store:
        store.commit(Step(incidents=[samples.incident()], details=log.take()))
        assert log.take() == {}

    with reading(StoreSettings(url=store_url)) as connection:
        body = details_of(connection, samples.incident().id)
    assert body is not None
    again = unpack(replace(samples.incident(), series=[]), body)

    assert view(again, [samples.window()], 10) == view(detail(), [samples.window()], 10)


def test_details_replace_those_of_the_step_before(store_url: str) -> None:
    with Store.open(store_url) as store:
        for body in (b"one", b"two"):
            store.commit(
                Step(incidents=[samples.incident()], details={samples.incident().id: body})
            )
    with reading(StoreSettings(url=store_url)) as connection:
        assert details_of(connection, samples.incident().id) == b"two"
        assert details_of(connection, "nobody") is None


def test_details_of_an_incident_that_was_never_written_are_dropped(store_url: str) -> None:
    with Store.open(store_url) as store:
        store.commit(Step(details={"stranger": b""}))


def test_a_window_costs_what_the_incidents_that_followed_it_have_beyond_expectation(
    store_url: str,
) -> None:
    shares = {"cart": Share(40, 100, 1.5), "pay": Share(1, 100, 3.0)}
    followed = replace(samples.incident(), shares=shares)
    unrelated = replace(
        followed,
        id="other",
        attribution=replace(followed.attribution, cause="workload"),
        shares={"cart": Share(7, 9, 0)},
    )
    with Store.open(store_url) as store:
        store.commit(Step(incidents=[followed, unrelated], windows=[samples.window()]))
        store.commit(Step(incidents=[followed, unrelated]))
    with reading(StoreSettings(url=store_url)) as connection:
        costs = costs_of(connection, [samples.window().id, "w0"])
        services = service_costs(connection)
        of_one = shares_of(connection, followed.id)

    assert costs == [Cost("w1", "cart", 38.5, 1), Cost("w1", "pay", 0.0, 1)]
    assert [(one.service, one.excess, one.incidents) for one in services] == [
        ("cart", 45.5, 2),
        ("pay", 0.0, 1),
    ]
    assert of_one == shares


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 400), most=st.integers(1, 400))
def test_coarser_moments_are_few_enough_and_lose_counts_only_when_nothing_else_helps(
    rows: int, most: int
) -> None:
    one = samples.moments()
    many = pl.concat(
        [
            one.with_columns(
                pl.col("time") + pl.duration(milliseconds=37 * n),
                source_pod=pl.lit(f"pod-{n % 7}"),
            )
            for n in range(-(-rows // one.height))
        ]
    ).head(rows)

    fewer = coarser(many, most)

    assert fewer.height <= most
    assert fewer.schema == many.schema
    kinds = many.select("destination", "signal").n_unique()
    if most >= 2 * kinds:
        assert fewer["count"].sum() == many["count"].sum()


def test_packed_details_stay_small_however_many_errors_there_were() -> None:
    one = samples.moments()
    flood = pl.concat(
        [one.with_columns(pl.col("time") + pl.duration(milliseconds=11 * n)) for n in range(20_000)]
    )

    assert len(pack(replace_moments(flood))) < 1_000_000


def replace_moments(moments: pl.DataFrame) -> IncidentDetail:
    return IncidentDetail(samples.incident(), samples.history(), moments)
