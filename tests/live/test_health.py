"""The health of the input: conditions of their own, begun, told and over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detector.conditions import CALM, Board
from detector.live import Status
from detector.live.clocks import Clocks
from detector.live.health import LOOK_S, Health
from detector.live.silence import CONTROL_S, PARTITION_S, TOPIC_S, Silences
from detector.live.watermarks import Reading
from detector.settings import Settings
from detector.store import Step, Store
from detector.worker import Worker
from pipelines.batch import Batch

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A, B = ("access", 0), ("access", 1)


def silent(**seconds: float) -> dict[tuple[str, int], Reading]:
    return {("access", int(name[1:])): Reading(True, s) for name, s in seconds.items()}


def test_a_topic_that_used_to_speak_and_is_silent_is_found_as_a_whole() -> None:
    silences = Silences()
    silences.hear(A, "access", 0.0)
    silences.hear(B, "access", 0.0)
    assert silences.find(silent(p0=TOPIC_S - 1, p1=TOPIC_S)) == []
    (one,) = silences.find(silent(p0=TOPIC_S, p1=TOPIC_S))
    assert (one.subject, one.is_topic) == ("access", True)


def test_a_partition_whose_neighbours_speak_is_found_by_itself() -> None:
    silences = Silences()
    silences.hear(A, "access", 0.0)
    silences.hear(B, "access", 0.0)
    (one,) = silences.find(silent(p0=1.0, p1=PARTITION_S))
    assert (one.subject, one.is_topic) == ("access[1]", False)


def test_one_that_never_spoke_is_not_missed_but_one_known_of_old_is() -> None:
    assert Silences().find(silent(p0=1e6)) == []
    assert [one.subject for one in Silences([A]).find(silent(p0=1e6))] == ["access"]


def test_what_is_left_to_read_is_not_silence() -> None:
    silences = Silences([A])
    assert silences.find({A: Reading(False, 1e6)}) == []


def test_who_speaks_once_an_hour_may_be_silent_for_hours() -> None:
    silences = Silences()
    for hour in range(200):
        silences.hear(A, "access", hour * 3600.0)
    assert silences.find(silent(p0=3 * 3600.0)) == []
    assert silences.find(silent(p0=24 * 3600.0)) != []


def test_a_control_plane_may_be_quiet_for_an_hour() -> None:
    silences = Silences()
    silences.hear(("istiod", 0), "control-plane", 0.0)
    assert silences.find({("istiod", 0): Reading(True, CONTROL_S - 1)}) == []
    assert silences.find({("istiod", 0): Reading(True, CONTROL_S)}) != []


@pytest.mark.parametrize("off_s", [300.0, -300.0])
def test_a_pod_whose_clock_differs_is_found_among_the_others(off_s: float) -> None:
    clocks = Clocks()
    for second in range(5):
        now = NOON + timedelta(seconds=second)
        newest = [(f"pod-{n}", now - timedelta(seconds=n)) for n in range(5)]
        clocks.hear([*newest, ("odd", now + timedelta(seconds=off_s))], now)
    (one,) = clocks.take()
    assert (one.pod, round(one.seconds, -1)) == ("odd", off_s)
    assert clocks.take() == []


def test_when_everybody_is_late_or_our_own_clock_is_wrong_nobody_is_odd() -> None:
    clocks = Clocks()
    for second in range(5):
        now = NOON + timedelta(seconds=second)
        clocks.hear([(f"pod-{n}", now - timedelta(hours=1)) for n in range(5)], now)
    assert clocks.take() == []


class Stand:
    """A health on a clock of its own."""

    def __init__(self) -> None:
        self.s = 0.0
        self.status = Status(phase="live")
        self.worker = Worker(Settings())
        self.health = Health(
            self.worker, self.status, 600.0, now=self.now, monotonic_s=lambda: self.s
        )

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.s)

    def look(self, quiet_s: float = 0.0) -> list[str]:
        self.s += LOOK_S
        self.health.look({A: Reading(True, quiet_s)})
        return sorted(one.id for one in self.health.open)


@pytest.fixture
def stand() -> Stand:
    one = Stand()
    one.health.hear(Batch("access", 0, 0, 1, [b"x"], "access"), [], at_end=True)
    return one


def test_a_condition_begins_goes_on_and_is_over_once_it_was_not_seen_for_a_while(
    stand: Stand,
) -> None:
    assert stand.look() == []
    assert stand.look(quiet_s=TOPIC_S) == ["silent:access"]
    (began,) = stand.health.take()
    assert (began.since, began.until) == (stand.now(), None)
    assert stand.look(quiet_s=TOPIC_S + LOOK_S) == ["silent:access"]
    seen = stand.now()
    while stand.now() - seen < CALM:
        stand.look()
    (ended,) = stand.health.take()
    assert (ended.since, ended.until) == (began.since, seen)
    assert not stand.health.open


def test_shares_are_of_the_stretch_since_the_last_look(stand: Stand) -> None:
    stand.worker.counts.update({"access/istio-text": 1000, "reject/unknown": 900})
    assert stand.look() == []  # what was before the first look is history
    stand.worker.counts.update({"access/istio-text": 1000, "reject/unknown": 10})
    assert stand.look() == []
    stand.worker.counts.update({"access/istio-text": 1000, "reject/unknown": 100})
    assert stand.look() == ["rejects:records"]
    (one,) = stand.health.take()
    assert one.text == "100 of 1,100 records were not understood, most of them: unknown"


def test_records_that_retention_took_and_lag_are_told(stand: Stand) -> None:
    stand.look()
    stand.status.losses = 7
    stand.status.lag, stand.status.per_s = 9000, 10.0
    stand.status.event_time = NOON - timedelta(hours=1)
    assert stand.look() == ["lag:reading", "lost:records"]
    texts = {one.kind: one.text for one in stand.health.take()}
    assert texts["lag"] == "reading is 61 min behind, 9,000 records are left; at this speed " + (
        "read in 15 min"
    )
    assert texts["lost"] == "7 records were gone before they were read"


def test_conditions_outlive_the_process_and_are_over_in_the_next(
    stand: Stand, tmp_path: Path
) -> None:
    stand.look(quiet_s=TOPIC_S)
    with Store.open(f"sqlite:///{tmp_path}/x.db") as store:
        store.commit(Step(conditions=stand.health.take()))
        (kept,) = store.conditions()
        assert kept.id == "silent:access"
        next_one = Stand()
        next_one.s = CALM.total_seconds() + 300
        next_one.health.resume([A], store.conditions())
        next_one.look()
        store.commit(Step(conditions=next_one.health.take()))
        assert store.conditions() == []


def test_a_mesh_in_flames_does_not_fill_the_board() -> None:
    board = Board()
    for number in range(1000):
        board.see("clock", f"pod-{number}", "x", "y", NOON)
    assert len(board.open) == len(board.take()) == 200
