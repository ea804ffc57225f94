"""The page of all routes, from the application itself: ``python -m tests.deploy.routes``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from detector.settings import Settings, StoreSettings
from detector.store.shared import SharedStore
from detector.web.app import create_app

HEAD = """\
# Routes

Made by `python -m tests.deploy.routes`; do not edit. What `pushwake serve` answers. Parameters,
bodies, answers and examples of those under `/v1` are in the OpenAPI document; their conventions in
[rest.md](rest.md).

| method | path | what |
|---|---|---|
"""
OTHERS = "The OpenAPI document of all that is under `/v1`."


class Served(NamedTuple):
    """One thing that can be asked for."""

    method: str
    path: str
    help: str


def served() -> list[Served]:
    """Everything that the web process answers, in the order in which it looks."""
    app = create_app(SharedStore(StoreSettings(url="sqlite:///none.db")), Settings())
    return [
        Served(method, route.path, _first_line(route))
        for route in _flat(app.routes)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


def _flat(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Routes, those of included routers in their place."""
    for one in routes:
        included = getattr(one, "original_router", None)
        if included is not None:
            yield from _flat(included.routes)
        elif isinstance(one, Route | APIRoute):
            yield one


def _first_line(route: Route) -> str:
    if not isinstance(route, APIRoute):
        return OTHERS
    return (route.endpoint.__doc__ or "").strip().partition("\n")[0].replace("|", "\\|")


def page() -> str:
    """The page as Markdown."""
    rows = (f"| {one.method} | `{one.path}` | {one.help} |\n" for one in served())
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(page())
