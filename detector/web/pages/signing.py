"""``/sign-in`` and ``/sign-out``: a token, kept by the browser where no script can read it."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from detector import clock
from detector.web.access import COOKIE, NOT_LIVE, live_token, principal_of
from detector.web.pages.forms import fields
from detector.web.pages.html import PageRoute, page
from detector.web.parameters import Query, check_none, read
from detector.web.state import State, state_of
from detector.web.writing import Raw

router = APIRouter(route_class=PageRoute)

SESSION = timedelta(hours=12)
"""A shift: after it, or when the token expires, the browser forgets the token."""


class SignInQuery(Query, frozen=True):
    """Where to go on."""

    next: Annotated[str, Meta(max_length=2000, description="Path of the page to show then.")] = "/"


@router.get("/sign-in")
def ask(request: Request) -> Response:
    """Ask for a token; on to the page for those who showed one."""
    target = _own(read(request, SignInQuery).next)
    who = principal_of(request)
    if who.scope is not None and who.name != "anonymous":
        return _on_to(target)
    return page(request, "sign_in", target=target, problem="")


@router.post("/sign-in")
def sign_in(request: Request, raw: Raw) -> Response:
    """Take a token, and keep it in a cookie."""
    check_none(request)
    given, state, now = fields(request, raw), state_of(request), clock.now()
    target, secret = _own(given.get("next", "/")), given.get("token", "")
    token = live_token(state.store, secret, now)
    if token is None:
        return page(
            request,
            "sign_in",
            status=HTTPStatus.UNAUTHORIZED.value,
            target=target,
            problem=NOT_LIVE,
        )
    left = SESSION if token.expires_at is None else min(SESSION, token.expires_at - now)
    answer = _on_to(target)
    _keep(answer, state, secret, int(left.total_seconds()))
    return answer


@router.post("/sign-out")
def sign_out(request: Request, raw: Raw) -> Response:
    """Let the browser forget the token."""
    check_none(request)
    fields(request, raw)
    answer = _on_to("/sign-in")
    _keep(answer, state_of(request), "", 0)
    return answer


def _keep(answer: Response, state: State, secret: str, seconds: int) -> None:
    secure = state.settings.web.base_url.startswith("https://")
    answer.set_cookie(
        COOKIE, secret, max_age=seconds, httponly=True, samesite="strict", secure=secure
    )


def _on_to(target: str) -> Response:
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": target})


def _own(target: str) -> str:
    r"""A path of ours; the first page in place of anything else.

    >>> _own("/incidents?q=cart"), _own("//evil.example"), _own("/\\evil.example"), _own("x")
    ('/incidents?q=cart', '/', '/', '/')
    """
    plain = target.isascii() and target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"
