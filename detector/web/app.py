"""The application: routers over a shared store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from detector.configure import digest
from detector.settings import Settings
from detector.signatures import offered
from detector.store.shared import SharedStore
from detector.web import (
    announcing,
    auditing,
    changes,
    events,
    health,
    incidents,
    ledger,
    misses,
    pages,
    people,
    probes,
    problems,
    series,
    services,
    signatures,
    silences,
    windows,
)
from detector.web.guard import Guard
from detector.web.meter import Meter
from detector.web.schema import Described, reference
from detector.web.state import State
from detector.web.streams import Streams

_PARTS = (
    probes,
    incidents,
    misses,
    ledger,
    people,
    silences,
    windows,
    announcing,
    changes,
    services,
    series,
    signatures,
    health,
    events,
    auditing,
    pages,
)

_DESCRIPTION = """\
What Pushwake found in the wake of an Istio control plane. Times are RFC 3339 in UTC and mean
event time; intervals are half open. Lists come in pages (`page_size`, `page_token`), errors as
RFC 9457 problem details, and unknown parameters are refused.
"""


def create_app(store: SharedStore, settings: Settings) -> FastAPI:
    """The application, ready to be served.

    Args:
        store: what the worker published; closed with the application.
        settings: the whole tree.

    Raises:
        PushwakeError: the catalogue of known faults is not what the settings say.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = Described(
        title="Pushwake",
        description=_DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,  # its page would load from other hosts
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    streams = Streams(store, settings.web.max_streams)
    meter = Meter(digest(settings), lambda: streams.open)
    state = State(store, settings, offered(settings.signatures), streams, meter)
    app.add_middleware(Guard, state=state, refusal=pages.refusal)
    app.state.pushwake = state
    reference(problems.ProblemDocument)
    problems.install(app)
    for part in _PARTS:
        app.include_router(part.router)
    return app
