"""A server over real HTTP, beside a store that a real writer fills."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import uvicorn

from detector.settings import Settings, StoreSettings, WebSettings
from detector.store import Step, Store
from detector.store.shared import SharedStore
from detector.web.app import create_app
from tests.web.samples import sample_incidents, sample_windows

PUSHWAKE = Path(sys.executable).parent / "pushwake"


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The address of a ``pushwake serve`` that is up, a process of its own."""
    process = subprocess.Popen(
        [PUSHWAKE, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.readline()
        assert "http://" in told, told + process.stderr.read()
        yield told.split()[-1].rstrip("/")
    finally:
        process.terminate()
        process.communicate(timeout=20)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The address of the application over real HTTP, in a thread of this process."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(SharedStore(settings.store), settings), log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


@contextmanager
def speaking(url: str, settings: Settings | None = None) -> Iterator[httpx.Client]:
    """A client of a server over the store at ``url``."""
    ample = WebSettings(rate_per_s=1e6, burst=1_000_000)
    whole = Settings(web=ample) if settings is None else settings
    with (
        serving(msgspec.structs.replace(whole, store=StoreSettings(url=url))) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        yield client


def fill(url: str) -> None:
    """Write the sample incidents and windows into a new store."""
    with Store.open(url) as store:
        store.commit(Step(incidents=sample_incidents(), windows=sample_windows()))


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store with incidents and windows; for reading only."""
    url = f"sqlite:///{tmp_path_factory.mktemp('web') / 'store.db'}"
    fill(url)
    return url


@pytest.fixture(scope="session")
def client(filled: str) -> Iterator[httpx.Client]:
    """Speaks to a server over the filled store."""
    with speaking(filled) as opened:
        yield opened


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a filled store that a module's tests write to."""
    url = f"sqlite:///{tmp_path_factory.mktemp('own') / 'store.db'}"
    fill(url)
    return url


@pytest.fixture(scope="module")
def writer(own_url: str) -> Iterator[httpx.Client]:
    """Speaks to a server whose store may be written."""
    with speaking(own_url) as opened:
        yield opened


def eventually(holds: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
