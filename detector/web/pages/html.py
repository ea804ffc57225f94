"""A page as an answer: rendered, tagged, and forbidden to load anything from elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from detector.errors import StoreError
from detector.report.templating import environment
from detector.report.theme import config
from detector.web.answers import matches
from detector.web.pages import assets
from detector.web.problems import ProblemError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline and nothing from elsewhere: names out of logs can never become code."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@functools.cache
def templates() -> jinja2.Environment:
    """The templates of the pages, over those of the report."""
    made = environment("detector.web.pages", "detector.report")
    made.globals.update(
        asset=assets.address,
        themes={"light": config("light"), "dark": config("dark")},
        version=version("pushwake"),
    )
    return made


def page(request: Request, template: str, *, status: int = 200, **told: object) -> Response:
    """A page; 304 without a body when the browser has it already.

    Args:
        request: whose If-None-Match is heeded.
        template: name of the template, without its endings.
        status: of HTTP.
        told: what the template is given.
    """
    text = templates().get_template(f"{template}.html.j2").render(path=request.url.path, **told)
    body = text.encode("utf-8", "replace")
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {**HEADERS, "ETag": tag}
    if status == HTTPStatus.OK and matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, status_code=status, media_type="text/html", headers=headers)


class PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors turned into pages."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await answer(request)
            except ProblemError as error:
                return _failed(request, error.status, error.detail)
            except HTTPException as error:
                return _failed(request, HTTPStatus(error.status_code), str(error.detail))
            except StoreError as error:
                told = f"{error.what}. {error.advice}."
                return _failed(request, HTTPStatus.SERVICE_UNAVAILABLE, told)

        return handler


def _failed(request: Request, status: HTTPStatus, detail: str) -> Response:
    heading = {
        HTTPStatus.NOT_FOUND: "Nothing is here",
        HTTPStatus.SERVICE_UNAVAILABLE: "The store cannot be read now",
    }.get(status, status.phrase)
    return page(request, "problem", status=status.value, heading=heading, detail=detail)
