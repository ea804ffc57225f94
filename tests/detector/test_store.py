"""The store: all of a step or nothing of it, one writer, and plain words when it cannot."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.documents import IncidentDocument
from detector.errors import (
    LeaseLostError,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnreachableError,
    StoreUrlError,
    StoreVersionError,
)
from detector.settings import StoreSettings
from detector.store import Snapshot, Step, Store, audit, deliveries, tables, tokens
from detector.types import Attribution, Cause, Incident, Series, Status, Window
from tests.parts.postgres import Postgres

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITER = Path(__file__).with_name("crash_writer.py")
ROOT = Path(__file__).parents[2]


class Hands:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    name = "file_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def incident(
    name: str = "i1",
    *,
    status: Status = "open",
    cause: Cause = "control-plane",
    start_s: int = 0,
    end_s: int | None = None,
) -> Incident:
    return Incident(
        id=name,
        status=status,
        detected_at=NOON + timedelta(seconds=start_s + 10),
        started_at=NOON + timedelta(seconds=start_s),
        ended_at=None if end_s is None else NOON + timedelta(seconds=end_s),
        series=[Series("source", "frontend.shop", "cart.shop.svc.cluster.local", "NC")],
        errors=12,
        requests=40,
        expected=0.5,
        upper=3,
        attribution=Attribution(cause, None, 0.9, ["follows a restart"], []),
    )


def window(name: str = "w1", *, start_s: int = 0, end_s: int | None = None) -> Window:
    return Window(
        id=name,
        kind="upgrade",
        started_at=NOON + timedelta(seconds=start_s),
        ended_at=None if end_s is None else NOON + timedelta(seconds=end_s),
        from_version="1.28.0",
        to_version="1.29.1",
        revision=None,
        expected=9,
        reconciled={"cart-1.shop": NOON + timedelta(milliseconds=1500)},
        failed=0,
        reason="istiod of another version started",
    )


def raw(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"))


@contextmanager
def sabotaged(statement: str) -> Iterator[None]:
    """Every connection made inside runs ``statement`` first."""

    def run(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(statement)

    sa.event.listen(sa.Engine, "connect", run)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", run)


def test_a_new_store_has_no_snapshot(store: Store) -> None:
    assert store.load() is None
    assert store.incidents() == []


def test_a_step_comes_back_after_opening_anew(url: str) -> None:
    with Store.open(url) as first:
        first.commit(
            Step(
                incidents=[incident()],
                windows=[window()],
                states={"bank": b"\x00\xff", "book": b""},
                offsets={("access", 3): 2**40},
                rejects={"garbage": 2},
                time=NOON,
            )
        )

    with Store.open(url) as second:
        assert second.load() == Snapshot(
            steps=1,
            time=NOON,
            states={"bank": b"\x00\xff", "book": b""},
            offsets={("access", 3): 2**40},
            rejects={"garbage": 2},
        )
        assert second.windows() == [window()]
        assert [document.id for document in second.incidents()] == ["i1"]


def test_steps_replace_what_they_name_add_up_rejects_and_leave_the_rest(store: Store) -> None:
    store.commit(Step(states={"a": b"1", "b": b"1"}, offsets={("t", 0): 1}, rejects={"x": 1}))
    store.commit(Step(states={"b": b"2"}, rejects={"x": 2, "y": 1}, time=NOON))
    store.commit(Step(offsets={("t", 0): 5, ("t", 1): 7}))

    assert store.load() == Snapshot(
        steps=3,
        time=NOON,
        states={"a": b"1", "b": b"2"},
        offsets={("t", 0): 5, ("t", 1): 7},
        rejects={"x": 3, "y": 1},
    )


def test_every_change_of_an_incident_raises_its_revision_and_writing_it_again_does_not(
    store: Store,
) -> None:
    store.commit(Step(incidents=[incident()]))
    store.commit(Step(incidents=[incident()]))
    store.commit(Step(incidents=[incident(status="resolved", end_s=60)]))

    found = store.incident("i1")

    assert found is not None
    document, revision = found
    assert (document.status, revision) == ("resolved", 2)
    assert store.incident("i2") is None


def test_incidents_are_found_by_status_cause_and_time(store: Store) -> None:
    store.commit(
        Step(
            incidents=[
                incident("old", status="resolved", start_s=-900, end_s=-600),
                incident("crash", status="resolved", cause="workload", start_s=-300, end_s=10),
                incident("now", start_s=0),
                incident("next", status="worsening", start_s=300),
            ]
        )
    )

    def names(found: list[IncidentDocument]) -> list[str]:
        return [document.id for document in found]

    assert names(store.incidents()) == ["next", "now", "crash", "old"]
    assert names(store.incidents(limit=2)) == ["next", "now"]
    assert names(store.incidents(status=("open", "worsening"))) == ["next", "now"]
    assert names(store.incidents(cause="workload")) == ["crash"]
    assert names(store.incidents(since=NOON)) == ["next", "now", "crash"]
    assert names(store.incidents(until=NOON + timedelta(seconds=300))) == ["now", "crash", "old"]


def test_windows_are_found_by_time_and_replaced_when_they_close(store: Store) -> None:
    store.commit(Step(windows=[window("w1"), window("w0", start_s=-60, end_s=-30)]))
    store.commit(Step(windows=[window("w1", end_s=22)]))

    assert [found.id for found in store.windows()] == ["w0", "w1"]
    assert store.windows(since=NOON) == [window("w1", end_s=22)]


def test_a_failing_step_leaves_nothing_behind(store: Store) -> None:
    store.commit(Step(states={"bank": b"1"}, offsets={("t", 0): 1}))
    unstorable = {("t", 0): 2**70}

    with pytest.raises((OverflowError, StoreError)):
        store.commit(Step(incidents=[incident()], states={"bank": b"2"}, offsets=unstorable))

    snapshot = store.load()
    assert snapshot is not None
    assert (snapshot.steps, snapshot.states) == (1, {"bank": b"1"})
    assert store.incidents() == []


def test_a_store_in_memory_lives_as_long_as_its_handle() -> None:
    with Store.open("sqlite://") as store:
        store.commit(Step(incidents=[incident()]))
        assert len(store.incidents()) == 1

    with Store.open("sqlite://") as store:
        assert store.load() is None


def test_the_migrations_make_exactly_the_declared_tables(store: Store, url: str) -> None:
    declared = (audit.audit, deliveries.deliveries, tokens.tokens)  # beside those of the worker
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert {table.name for table in declared} <= set(tables.metadata.tables)
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_a_second_process_is_told_who_holds_the_store_and_since_when(url: str) -> None:
    with (
        Store.open(url, owner="process 1 on alpha", now=Hands()),
        pytest.raises(StoreBusyError) as caught,
    ):
        Store.open(url, owner="process 2 on beta", now=Hands())

    message = str(caught.value)
    assert "held by process 1 on alpha since 2026-03-01 12:00:00 UTC" in message
    assert "the store is free at 12:00:30 UTC" in message
    assert sa.make_url(url).render_as_string() in message


def test_a_closed_store_is_free_at_once(url: str) -> None:
    Store.open(url, owner="a", now=Hands()).close()

    with Store.open(url, owner="b", now=Hands()) as store:
        store.commit(Step())


def test_commits_keep_the_lease_and_silence_loses_it(url: str) -> None:
    first_clock, second_clock = Hands(), Hands()
    first = Store.open(url, owner="first", now=first_clock)
    for seconds in (20, 40, 60):
        first_clock.time = second_clock.time = NOON + timedelta(seconds=seconds)
        with pytest.raises(StoreBusyError):
            Store.open(url, owner="second", now=second_clock)
        first.commit(Step(states={"bank": b"first"}))

    second_clock.time += timedelta(seconds=30)
    second = Store.open(url, owner="second", now=second_clock)
    first_clock.time = second_clock.time

    with pytest.raises(LeaseLostError, match="taken over by second"):
        first.commit(Step(states={"bank": b"late"}, incidents=[incident()]))
    with pytest.raises(LeaseLostError):
        first.renew()
    second.renew()
    snapshot = second.load()
    assert snapshot is not None
    assert (snapshot.steps, snapshot.states) == (3, {"bank": b"first"})
    assert second.incidents() == []
    first.close()
    second.commit(Step())  # which the first one's closing has not disturbed
    second.close()


def test_the_same_name_taken_twice_is_still_fenced(url: str) -> None:
    hands = Hands()
    first = Store.open(url, owner="pod-0", now=hands)
    hands.time += timedelta(seconds=31)
    second = Store.open(url, owner="pod-0", now=hands)

    with pytest.raises(LeaseLostError):
        first.commit(Step())
    second.commit(Step())
    first.close()
    second.close()


def test_of_many_that_open_a_new_store_at_once_one_gets_it(url: str) -> None:
    opened: list[Store] = []
    refused: list[StoreBusyError] = []

    def attempt(name: str) -> None:
        try:
            opened.append(Store.open(url, owner=name))
        except StoreBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt, args=(f"thread {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for one in opened:
        one.close()
    assert (len(opened), len(refused)) == (1, 5)
    assert all("is held by thread" in str(error) for error in refused)


@pytest.mark.no_cover
def test_a_killed_writer_leaves_a_whole_number_of_steps(url: str) -> None:
    rng = random.Random(1)
    steps = [0]
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, WRITER, url],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"committed\n"
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.wait()
        process.stdout.close()

        with Store.open(url, settings=StoreSettings(lease_s=0.001)) as store:
            steps.append(assert_consistent(store))

    assert steps == sorted(steps)
    assert steps[-1] >= 10  # each writer commits once before it may be killed


def assert_consistent(store: Store) -> int:
    """The store says one and the same number everywhere; returns it."""
    snapshot = store.load()
    if snapshot is None:
        assert store.incidents() == []
        return 0
    number = snapshot.steps
    assert snapshot.states == {"bank": b"%d" % number * 2000, "book": b"%d" % number}
    assert snapshot.offsets == {("a.log", 0): number, ("b.log", 0): 2 * number}
    assert snapshot.rejects == {"garbage": number}
    assert snapshot.time == datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=number)
    errors = {document.id: document.observed.errors for document in store.incidents()}
    recurring = {f"incident-{n % 5}": float(n) for n in range(1, number + 1)}
    single = {f"incident-{100 + n}": float(n) for n in range(1, number + 1)}
    assert errors == recurring | single
    return number


def test_a_full_disk_is_told_and_loses_nothing_committed(file_url: str) -> None:
    Store.open(file_url).close()
    with sabotaged("PRAGMA max_page_count = 40"), Store.open(file_url) as store:
        store.commit(Step(states={"bank": b"small"}))
        with pytest.raises(StoreFullError, match="Free some space"):
            store.commit(Step(states={"bank": bytes(1_000_000)}, incidents=[incident()]))

        snapshot = store.load()
        assert snapshot is not None
        assert (snapshot.steps, snapshot.states) == (1, {"bank": b"small"})
        assert store.incidents() == []


def test_a_store_that_may_not_be_written_is_told(file_url: str) -> None:
    Store.open(file_url).close()

    with (
        sabotaged("PRAGMA query_only = ON"),
        pytest.raises(StoreReadOnlyError, match="Grant write permission"),
    ):
        Store.open(file_url)


def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("dear diary\n" * 1000)

    with pytest.raises(StoreCorruptError, match="no SQLite database"):
        Store.open(f"sqlite:///{file}")
    assert file.read_text() == "dear diary\n" * 1000


def test_a_damaged_store_is_told(file_url: str, tmp_path: Path) -> None:
    with Store.open(file_url) as store:
        for number in range(200):
            store.commit(Step(states={f"state {number}": os.urandom(3_000)}))
    file = tmp_path / "store.db"
    content = bytearray(file.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    file.write_bytes(content)

    with pytest.raises(StoreCorruptError, match="is damaged"):
        Store.open(file_url)


def test_a_store_of_a_newer_version_is_refused_unchanged(url: str) -> None:
    Store.open(url).close()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(StoreVersionError, match="version 9999"):
        Store.open(url)


def test_a_server_that_is_away_is_told_and_nothing_committed_is_lost(postgres: Postgres) -> None:
    url = postgres.new()
    hands = Hands()
    store = Store.open(url, owner="first", now=hands)
    store.commit(Step(states={"bank": b"1"}, offsets={("t", 0): 1}))
    postgres.stop()
    try:
        with pytest.raises(StoreUnreachableError, match="Check that the server runs"):
            store.commit(Step(states={"bank": b"2"}, offsets={("t", 0): 2}))
        with pytest.raises(StoreUnreachableError):
            Store.open(url)
        store.close()
    finally:
        postgres.start()

    hands.time += timedelta(seconds=31)
    with Store.open(url, owner="second", now=hands) as again:
        snapshot = again.load()
        assert snapshot is not None
        assert (snapshot.states, snapshot.offsets) == ({"bank": b"1"}, {("t", 0): 1})
        again.commit(Step(states={"bank": b"2"}))


def test_a_database_that_does_not_exist_is_told(postgres_url: str) -> None:
    missing = sa.make_url(postgres_url).set(database="nowhere")

    with pytest.raises(StoreUrlError, match="Create the database"):
        Store.open(missing.render_as_string(hide_password=False))


def test_a_password_in_the_address_is_never_told(postgres_url: str) -> None:
    secret = sa.make_url(postgres_url).set(password="canary-51c", database="nowhere")

    with pytest.raises(StoreUrlError) as caught:
        Store.open(secret.render_as_string(hide_password=False))
    assert "canary-51c" not in f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense", "no usable address"),
        ("nosuchdb://host/name", "no usable address"),
        ("sqlite:////nowhere/at/all/store.db", "folder exists"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(address: str, words: str) -> None:
    with pytest.raises(StoreUrlError, match=words):
        Store.open(address)


def test_a_store_locked_by_a_stranger_is_told_after_the_timeout(file_url: str) -> None:
    with Store.open(file_url, settings=StoreSettings(busy_timeout_s=0.01)) as store:
        with closing(raw(file_url)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusyError, match="written by another process"):
                store.commit(Step())
            connection.rollback()
        store.commit(Step())


def test_readers_do_not_wait_for_a_writer(file_url: str) -> None:
    with Store.open(file_url, settings=StoreSettings(busy_timeout_s=0.01)) as store:
        store.commit(Step(incidents=[incident()]))
        with closing(raw(file_url)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            assert len(store.incidents()) == 1
            connection.rollback()


@settings(max_examples=30)  # each makes a store anew
@given(
    st.lists(
        st.builds(
            Step,
            states=st.dictionaries(st.sampled_from("abc"), st.binary(max_size=9), max_size=3),
            offsets=st.dictionaries(
                st.tuples(st.text(max_size=3), st.integers(0, 3)), st.integers(0, 2**62), max_size=3
            ),
            rejects=st.dictionaries(st.sampled_from("xyz"), st.integers(1, 9), max_size=3),
            time=st.none() | st.datetimes(timezones=st.just(UTC)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_snapshot_is_the_sum_of_the_steps(steps: list[Step]) -> None:
    states: dict[str, bytes] = {}
    offsets: dict[tuple[str, int], int] = {}
    rejects: dict[str, int] = {}
    latest: datetime | None = None
    with Store.open("sqlite://") as store:
        for step in steps:
            store.commit(step)
            states |= step.states
            offsets |= step.offsets
            for reason, count in step.rejects.items():
                rejects[reason] = rejects.get(reason, 0) + count
            latest = step.time or latest
        assert store.load() == Snapshot(len(steps), latest, states, offsets, rejects)
