"""What the requests of one application share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from detector.settings import Settings
from detector.signatures import Fault
from detector.store.shared import SharedStore
from detector.web.meter import Meter
from detector.web.streams import Streams


@dataclass(frozen=True, slots=True)
class State:
    """What the requests of one application share."""

    store: SharedStore
    settings: Settings
    faults: Sequence[Fault]  # those that are off among them
    streams: Streams
    meter: Meter


def state_of(request: Request) -> State:
    """The state of the application that a request came to."""
    state = request.app.state.pushwake
    assert isinstance(state, State)
    return state
