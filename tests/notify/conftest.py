"""A store with incidents in it, a Slack, and a notifier between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from detector import clock
from detector.notify import Desk, Health, Meter, Notifier, couriers
from detector.notify.courier import LOOK_S, Courier
from detector.settings import ChannelSettings, NotifySettings, Settings, StoreSettings, WebSettings
from detector.store import Step, Store
from detector.store.shared import SharedStore
from detector.timeline import EntryKind, notice
from detector.types import Incident, Severity, Status
from tests.parts.slack import TOKEN, FakeSlack, fake_slack
from tests.web.samples import sample_incident

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Before whatever a test's clock shows, so that no lease of then stands in its way."""


def incident(
    number: int, status: Status = "open", severity: Severity = "warning", errors: float = 412
) -> Incident:
    made = sample_incident(number, status=status, service=f"svc{number}.shop.svc.cluster.local")
    made.severity = severity
    made.errors = errors
    return made


class Watch:
    """A clock that goes when it is told to."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class World:
    """A store as a worker writes it, and settings of a notifier on it."""

    def __init__(self, folder: Path, slack: FakeSlack) -> None:
        self.url = f"sqlite:///{folder / 'store.db'}"
        self.folder = folder
        self.slack = slack
        self.notify = NotifySettings(pause_s=0, backoff_s=0.05, backoff_max_s=0.2, timeout_s=2)
        self.charts: Callable[[str], bytes | None] = lambda _: None
        self.now: Callable[[], datetime] = clock.now
        self.secret("hook", slack.hook)
        self.secret("token", TOKEN)
        with Store.open(self.url, now=lambda: LONG_AGO):
            pass

    def secret(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text + "\n")
        return str(path)

    @property
    def hook(self) -> ChannelSettings:
        return ChannelSettings(kind="slack-webhook", secret_file=str(self.folder / "hook"))

    @property
    def bot(self) -> ChannelSettings:
        token = str(self.folder / "token")
        return ChannelSettings(kind="slack-bot", secret_file=token, to="C0123456789")

    def tell(self, incidents: Sequence[Incident], kind: EntryKind = "opened") -> None:
        """Commit incidents and their notices, as the worker does."""
        with Store.open(self.url, now=self.now) as store:
            told = [notice(one, kind) for one in incidents]
            store.commit(Step(incidents=incidents, notices=told))

    def settings(self, **channels: ChannelSettings) -> Settings:
        return Settings(
            store=StoreSettings(url=self.url, lease_s=5),
            web=WebSettings(base_url="https://pushwake.example"),
            notify=msgspec.structs.replace(
                self.notify, channels=channels, api_url=f"{self.slack.url}/api/", port=0
            ),
        )

    @contextmanager
    def couriers(self, **channels: ChannelSettings) -> Iterator[tuple[dict[str, Courier], Meter]]:
        """The couriers of channels, to be turned by hand."""
        settings, meter = self.settings(**channels), Meter()
        desk = Desk(SharedStore(settings.store), settings.store.lease_s, self.now)
        desk.take()
        try:
            yield couriers(settings, desk, meter, charts=self.charts, now=self.now), meter
        finally:
            desk.close()

    @contextmanager
    def notifier(self, **channels: ChannelSettings) -> Iterator[tuple[Health, Meter]]:
        settings = self.settings(**channels)
        desk = Desk(SharedStore(settings.store), settings.store.lease_s, self.now)
        meter = Meter()
        running = couriers(settings, desk, meter, charts=self.charts, now=self.now)
        health, stop = Health(couriers=running), Event()
        process = Notifier(
            desk, running, lease_s=5, kept=timedelta(days=30), health=health, now=self.now
        )
        thread = Thread(target=process.run, args=(stop,))
        thread.start()
        try:
            yield health, meter
        finally:
            stop.set()
            thread.join()


def deliver(courier: Courier) -> None:
    """Turn until the channel has been told all that it can be told now."""
    for _ in range(100):
        if courier.turn() == LOOK_S:
            return
    raise AssertionError("it never ended")


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never held"
        time.sleep(0.02)


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with fake_slack() as one:
        yield one


@pytest.fixture
def world(tmp_path: Path, slack: FakeSlack) -> World:
    return World(tmp_path, slack)
