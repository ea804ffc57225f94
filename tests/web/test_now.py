"""The first page: what became of the promise on false alarms, and what silence means."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from detector.settings import DetectionSettings, Settings, StoreSettings
from detector.store import Step, Store
from detector.store.feedback import Feedback, Verdict, put_feedback
from detector.store.marks import marking
from tests.web.conftest import speaking
from tests.web.samples import NOON, sample_incident
from tests.web.test_pages import words

PROMISED = Settings(detection=DetectionSettings(false_incidents_per_week=0.5))


class Case(NamedTuple):
    """Days since judging began, incidents, what people said of them, and what the page says."""

    known_days: int
    found: int
    verdicts: tuple[Verdict, ...]
    told: str
    weekly: float | None


@pytest.mark.parametrize(
    "case",
    [
        Case(
            14,
            4,
            ("false", "true", "expected"),
            "1 in 14 d, 0.5 a week; 3 of 4 incidents judged",
            0.5,
        ),
        Case(14, 1, ("false",), "1 in 14 d, 0.5 a week; 1 of 1 incident judged", 0.5),
        Case(60, 4, ("false", "false"), "2 in 28 d, 0.5 a week; 2 of 4 incidents judged", 0.5),
        Case(2, 4, ("false",), "1 in 2 d; 1 of 4 incidents judged", None),
        Case(14, 4, (), "4 incidents in 14 d, none judged yet", 0.0),
        Case(14, 0, (), "none in 14 d: no incident at all", 0.0),
    ],
)
def test_false_alarms_are_told_as_promised_and_as_people_judged(tmp_path: Path, case: Case) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    end = NOON + timedelta(hours=1)
    long_ago = sample_incident(99, minutes=-60 * 24 * 40)
    with Store.open(url) as store:
        made = [sample_incident(n) for n in range(case.found)]
        first = end - timedelta(days=case.known_days)
        store.commit(Step(incidents=[*made, long_ago], time=end, first=first))
    with marking(StoreSettings(url=url)) as connection:
        for incident, verdict in zip([*made, long_ago], case.verdicts, strict=False):
            said = Feedback(incident_id=incident.id, verdict=verdict, by="ann", at=NOON)
            put_feedback(connection, said, None)
        said = Feedback(incident_id=long_ago.id, verdict="false", by="ann", at=NOON)
        put_feedback(connection, said, None)

    with speaking(url, PROMISED) as client:
        page = words(client.get("/"))
        answer = client.get("/v1/health/data").json()["false_alarms"]

    assert f"False alarms 0.5 a week promised at the most, over the whole mesh {case.told}" in page
    assert answer["promised_per_week"] == 0.5
    assert (answer["incidents"], answer["judged"]) == (case.found, len(case.verdicts))
    assert answer["false"] == case.verdicts.count("false")
    assert answer["false_per_week"] == case.weekly


def test_before_anything_was_judged_only_the_promise_stands(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store.open(url):
        pass

    with speaking(url, PROMISED) as client:
        page = words(client.get("/"))
        answer = client.get("/v1/health/data").json()["false_alarms"]

    assert "promised at the most, over the whole mesh Last reconciliation" in page
    assert (answer["since"], answer["false_per_week"]) == (None, None)


@pytest.mark.parametrize("works", [True, False])
def test_silence_is_never_called_health(tmp_path: Path, works: bool) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = Store.open(url)
    store.commit(Step(time=NOON, first=NOON - timedelta(days=9)))
    if not works:
        store.close()

    with speaking(url, PROMISED) as client:
        page = words(client.get("/"))

    assert ("Pushwake hears nothing." if works else "No worker writes this store now.") in page
    assert "The mesh was fine up to 12:00:00; nobody knows how it is now." in page
    assert "None up to 2026-03-01 12:00:00 UTC; nothing later was judged." in page
    assert "is fine" not in page
    store.close()
