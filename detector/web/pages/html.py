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
from detector.web.access import COOKIE, changes, principal_of
from detector.web.answers import matches
from detector.web.pages import assets
from detector.web.problems import ProblemError, of_store

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline and nothing from elsewhere: names out of logs can never become code."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "private, no-cache",
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
    text = (
        templates()
        .get_template(f"{template}.html.j2")
        .render(
            path=request.url.path,
            who=principal_of(request),
            session=COOKIE in request.cookies,
            **told,
        )
    )
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
                return failed(request, error)
            except HTTPException as error:
                status = HTTPStatus(error.status_code)
                return failed(request, ProblemError(status, "http", str(error.detail)))
            except StoreError as error:
                return failed(request, of_store(error))

        return handler


def failed(request: Request, problem: ProblemError) -> Response:
    """A problem as a page."""
    heading = _HEADINGS.get(problem.status, problem.status.phrase)
    answer = page(
        request,
        "problem",
        status=problem.status.value,
        heading=heading,
        detail=problem.detail,
        back=form_page(request),
    )
    answer.headers.update(problem.headers)
    return answer


def form_page(request: Request) -> str:
    """The page whose form was sent; empty for what is no form."""
    return request.url.path.rpartition("/")[0] if changes(request.method) else ""


_HEADINGS = {
    HTTPStatus.BAD_REQUEST: "This address asks for something unknown",
    HTTPStatus.NOT_FOUND: "Nothing is here",
    HTTPStatus.CONFLICT: "Nothing was changed",
    HTTPStatus.PRECONDITION_FAILED: "Somebody else was quicker",
    HTTPStatus.PRECONDITION_REQUIRED: "Somebody else was quicker",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something is missing",
    HTTPStatus.SERVICE_UNAVAILABLE: "The store cannot be read now",
}
