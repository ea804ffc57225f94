"""The application: routers over a shared store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from detector.settings import Settings
from detector.store.shared import SharedStore
from detector.web import (
    announcing,
    auditing,
    incidents,
    ledger,
    pages,
    people,
    probes,
    problems,
    silences,
    windows,
)
from detector.web.guard import Guard
from detector.web.schema import Described, reference
from detector.web.state import State

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
    state = State(store, settings)
    app.add_middleware(Guard, state=state)
    app.state.pushwake = state
    reference(problems.ProblemDocument)
    problems.install(app)
    for part in (probes, incidents, ledger, people, silences, windows, announcing, auditing, pages):
        app.include_router(part.router)
    return app
