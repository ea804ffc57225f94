"""All routes of the pages."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from detector.web.pages import (
    acting,
    assets,
    incident,
    incidents,
    now,
    proxies,
    services,
    signing,
    windows,
)
from detector.web.problems import ProblemError

router = APIRouter(include_in_schema=False)
for part in (now, incidents, incident, acting, windows, services, proxies, signing):
    router.include_router(part.router)


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """A style sheet or a script."""
    if name not in assets.names():
        raise ProblemError(HTTPStatus.NOT_FOUND, "not-found", f"There is no file {name!r}.")
    return assets.send(request, name)
