"""Recordings of real proxies, replayed through the real path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector import documents
from detector.replaying import Inputs, Outcome, replay
from detector.settings import Settings

RECORDINGS = Path(__file__).parent.parent / "data" / "recordings"

Document = dict[str, Any]
Replayed = Callable[..., Outcome]


def incidents_of(outcome: Outcome) -> list[Document]:
    """The incidents as the world gets them."""
    return [msgspec.to_builtins(documents.document(one)) for one in outcome.worker.incidents]


@pytest.fixture(scope="session")
def replayed() -> Replayed:
    """A recording's replay by name and kind of log, run once a session."""
    done: dict[tuple[str, str, bool], Outcome] = {}

    def run(name: str, log: str = "log", *, control: bool = True) -> Outcome:
        key = (name, log, control)
        if key not in done:
            folder = RECORDINGS / name
            inputs = Inputs(
                access=[str(folder / f"access.{log}.zst"), str(folder / "proxy.log.zst")],
                control=[str(folder / "istiod.log.zst")] if control else [],
            )
            done[key] = replay(inputs, Settings(), lambda _: None)
        return done[key]

    return run
