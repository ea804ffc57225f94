"""A deliberate fault that Pushwake missed is an incident itself, and nothing is learnt from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from detector import clock, documents
from detector.admitting import admit
from detector.cli import main
from detector.documents import IncidentDocument
from detector.missed import MISSED, Miss, miss_id
from detector.replaying import Inputs, replay
from detector.settings import Settings, StoreSettings
from detector.store import Step, Store, deliveries
from detector.store.marks import marking
from detector.store.misses import put_miss
from detector.store.reading import reading
from detector.traffic.faults import Injected, seal
from detector.types import Incident
from tests.detector.conftest import RECORDINGS
from tests.parts.notifier import notifier
from tests.parts.slack import fake_slack
from tests.parts.stream import ACT, seeded
from tests.parts.tansu import Cluster
from tests.parts.worker import WorkerProcess, eventually
from tests.web.conftest import served, speaking

MakeTopic = Callable[..., str]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTED = ("d_backend_crash", "l_clean")
TOLD: dict[str, Any] = {
    "service": "cart.shop",
    "signal": "UC",
    "started_at": "2026-03-01T11:57:00Z",
    "ended_at": "2026-03-01T11:58:00Z",
    "failed": 57,
    "requests": 190,
    "note": "fault 3-reset",
}


def injected(name: str, service: str, start: datetime, end: datetime) -> Injected:
    return Injected(name, service, "reset", 0.3, start.isoformat(), end.isoformat(), 57)


def channels(url: str) -> Sequence[str]:
    """The channels that a notifier has begun to tell; what is over by then it does not tell."""
    with reading(StoreSettings(url=url)) as connection:
        return connection.scalars(sa.select(deliveries.channels.c.name)).all()


def test_it_is_told_by_rest_a_page_and_slack_once_and_scores_as_missed_again(
    broker: Cluster, make_topic: MakeTopic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end = clock.now() - timedelta(seconds=5)
    access, control = make_topic(name="access"), make_topic(name="control")
    seeded(7, end, partitions=1, acts=ACTED).write(broker.bootstrap, access, control)
    crash = end - len(ACTED) * ACT
    sealed = tmp_path / "faults.sealed"
    faults = [
        injected("1-reset", "payments.default:8080", crash, crash + ACT),
        injected("2-reset", "ghost.shop:9080", crash, crash + timedelta(seconds=40)),
    ]
    seal(faults, sealed)
    store = f"sqlite:///{tmp_path}/live.db"
    settings = {
        "store.url": store,
        "store.lease_s": 3,
        "kafka.bootstrap_servers": f'["{broker.bootstrap}"]',
        "kafka.topics": f'{{"{access}" = "access", "{control}" = "control-plane"}}',
        "kafka.start": "earliest",
    }
    with WorkerProcess(settings) as worker, fake_slack() as slack:
        worker.wait_until_told("live:")
        with served("--store", store) as base, notifier(store, slack, tmp_path / "notify"):
            eventually(lambda: channels(store), "the notifier knows where the outbox ends")
            score = ["traffic", "score", str(sealed), "--server", base]
            assert main(score) == 10
            out, err = capsys.readouterr()
            assert json.loads(out)["recall"] == 0.5
            assert "1 of 2 MISSED" in err

            asked = f"{base}/v1/incidents?fault={MISSED.id}"
            eventually(lambda: httpx.get(asked).json()["items"], "the miss is an incident")
            (incident,) = httpx.get(asked).json()["items"]
            assert incident["services"] == ["ghost.shop"]
            assert incident["signals"] == ["UC"]
            assert incident["observed"] == {"errors": 57, "requests": 190}
            assert f"2-reset: incident {incident['id']}" in err
            page = httpx.get(f"{base}/incidents/{incident['id']}").text
            assert "Pushwake missed this: UC" in page
            said = "Pushwake missed this: UC (upstream closed the connection) on ghost.shop"
            eventually(lambda: any(said in one["text"] for one in slack.messages), "Slack is told")

            assert main(score) == 10
            assert httpx.get(asked).json()["items"] == [incident]


def test_a_fault_whose_time_is_not_judged_yet_is_no_miss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with Store.open(url) as store, speaking(url) as client:
        store.commit(Step())
        assert client.post("/v1/misses", json=TOLD).status_code == 409
        store.commit(Step(time=NOON - timedelta(seconds=61)))
        early = client.post("/v1/misses", json=TOLD)
        assert early.json()["type"].endswith("not-judged")
        assert "all before 2026-03-01 11:58:59 UTC has been judged" in early.json()["detail"]

        sealed = tmp_path / "faults.sealed"
        seal([injected("1", "a:1", NOON - timedelta(minutes=3), NOON)], sealed)
        score = ["traffic", "score", str(sealed), "--server", str(client.base_url)]
        assert main([*score, "--wait", "0.1"]) == 3
        assert "may still be found" in capsys.readouterr().err
        assert store.misses() == []

        store.commit(Step(time=NOON - timedelta(seconds=60)))
        assert client.post("/v1/misses", json=TOLD).status_code == 201
        assert [one.service for one in store.misses()] == ["cart.shop"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgres_url"))


def missed(url: str, **change: object) -> Miss:
    """Tell a store of a miss; what it keeps of it."""
    start, end = NOON - timedelta(minutes=3), NOON - timedelta(minutes=2)
    told = Miss(
        id=miss_id("cart.shop", "UC", start),
        service="cart.shop",
        signal="UC",
        started_at=start,
        ended_at=end,
        failed=57,
        requests=190,
        cause="workload",
        note=None,
        by="ann",
        reported_at=NOON,
    )
    with marking(StoreSettings(url=url)) as connection:
        return put_miss(connection, msgspec.structs.replace(told, **change))


def test_what_is_told_twice_is_kept_as_it_was_told_first(url: str) -> None:
    with Store.open(url) as store:
        first = missed(url)
        assert missed(url, by="bob", failed=3) == first
        assert store.misses() == [first]
        store.commit(admit(Step(), store.misses(), _nobody))
        assert store.misses() == []
        assert missed(url) == first
        assert store.misses() == []


def _nobody(_: IncidentDocument) -> bool:
    return False


def _all(_: IncidentDocument) -> bool:
    return True


def test_nobody_is_told_of_a_miss_that_was_silenced(url: str) -> None:
    with Store.open(url) as store:
        missed(url)
        told, silenced = (admit(Step(), store.misses(), held) for held in (_nobody, _all))

    assert [one.kind for one in told.notices] == ["opened"]
    assert silenced.notices == []
    assert [one.id for one in silenced.incidents] == [one.id for one in told.incidents]


def test_nothing_is_learnt_from_what_was_missed(tmp_path: Path) -> None:
    folder = RECORDINGS / "d_backend_crash"
    inputs = Inputs(access=[str(folder / "access.log.zst")])
    plain, told = (f"sqlite:///{tmp_path}/{name}.db" for name in ("plain", "told"))
    with Store.open(plain) as store, Store.open(told) as other:
        miss = missed(told)
        found = replay(inputs, Settings(), lambda _: None, store).worker.incidents
        again = replay(inputs, Settings(), lambda _: None, other).worker.incidents

        assert other.incident(miss.id) is not None
        assert documents_of(again) == documents_of(found) != []
        assert learnt(other) == learnt(store) != []


def learnt(store: Store) -> list[bytes]:
    """The state of what decides; frames beside it keep no order."""
    snapshot = store.load()
    return [snapshot.states[name] for name in ("bank", "book", "ledger")] if snapshot else []


def documents_of(incidents: Sequence[Incident]) -> list[str]:
    return [documents.encode(one) for one in incidents]
