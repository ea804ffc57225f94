"""A server over real HTTP, beside a store that a real writer fills."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from detector.store import Step, Store
from tests.web.samples import sample_incidents, sample_windows

PUSHWAKE = Path(sys.executable).parent / "pushwake"


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The address of a ``pushwake serve`` that is up."""
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


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store with incidents and windows; for reading only."""
    url = f"sqlite:///{tmp_path_factory.mktemp('web') / 'store.db'}"
    with Store.open(url) as store:
        store.commit(Step(incidents=sample_incidents(), windows=sample_windows()))
    return url


@pytest.fixture(scope="session")
def client(filled: str) -> Iterator[httpx.Client]:
    """Speaks to a server over the filled store."""
    with served("--store", filled) as base, httpx.Client(base_url=base) as opened:
        yield opened


def eventually(holds: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
