"""Who asks, and whether they may.

On loopback whoever reaches the server may do everything: they could read its files as well. From
anywhere else a token is needed, but for what ``web.anonymous`` leaves open.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from detector import clock
from detector.settings import WebSettings
from detector.store.shared import SharedStore
from detector.store.tokens import Scope, Token, allowed, digest, find_token
from detector.web.problems import ProblemError

COOKIE = "pushwake"
"""Holds the token in a browser that signed in."""

OPEN = ("/livez", "/readyz", "/metrics", "/static/", "/sign-in", "/sign-out")
"""Paths that need no token: they tell nothing of the mesh."""

NOT_LIVE = "This token is not known, has expired or was revoked."

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Principal(NamedTuple):
    """Who asks, and what they may do; without a scope, nothing."""

    name: str
    scope: Scope | None


LOCAL = Principal("local", "admin")
NOBODY = Principal("anonymous", None)


def principal_of(request: Request) -> Principal:
    """Who sent a request."""
    known = request.scope.get("principal", NOBODY)
    assert isinstance(known, Principal)
    return known


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on ``host``.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("web")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def scope_for(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None for what is open to all."""
    if any(path == one or (one.endswith("/") and path.startswith(one)) for one in OPEN):
        return None
    if path.startswith("/v1/audit"):
        return "admin"
    if method in _SAFE:
        return "read"
    return "gate" if path == "/v1/windows" or path.startswith("/v1/windows/") else "write"


class Gate:
    """Lets requests in or refuses them.

    Args:
        store: where tokens are.
        settings: where the server listens, and what it leaves open.
    """

    def __init__(self, store: SharedStore, settings: WebSettings) -> None:
        self._store = store
        self._loopback = is_loopback(settings.host)
        self._anonymous = LOCAL if self._loopback else Principal("anonymous", settings.anonymous)
        names = ("localhost", "127.0.0.1", "::1", settings.host, *settings.hosts)
        self._hosts = {name.lower() for name in names}

    async def known(self, headers: Headers) -> Principal:
        """Who asks.

        Raises:
            ProblemError: 401, when a token is shown that opens nothing.
            StoreError: tokens cannot be read.
        """
        secret = _shown(headers)
        if secret is None:
            return self._anonymous
        token = await run_in_threadpool(live_token, self._store, secret, clock.now())
        if token is None:
            raise _unknown(NOT_LIVE)
        return Principal(token.name, token.scope)

    def check(self, who: Principal, method: str, path: str, headers: Headers) -> None:
        """Refuse what may not be.

        Raises:
            ProblemError: 401 or 403.
        """
        check_origin(method, headers)
        wanted = scope_for(method, path)
        if wanted is None:
            return
        if who.scope is None or (who is self._anonymous and not allowed(who.scope, wanted)):
            raise _unknown("Show a token: Authorization: Bearer TOKEN; see pushwake token --help.")
        if not allowed(who.scope, wanted):
            raise _forbidden("scope", f"This needs the scope {wanted}; the token has {who.scope}.")
        if who is self._anonymous and _name(headers.get("host", "")) not in self._hosts:
            raise _forbidden(
                "host",
                "The Host header names another server. If this name is ours, add it to web.hosts.",
            )


def live_token(store: SharedStore, secret: str, now: datetime) -> Token | None:
    """What is known of a token; None for one that opens nothing.

    Raises:
        StoreError: tokens cannot be read.
    """
    with store.reading() as connection:
        token = find_token(connection, digest(secret))
    return token if token is not None and token.is_live(now) else None


def changes(method: str) -> bool:
    """Whether a request of this method may change something."""
    return method not in _SAFE


def check_origin(method: str, headers: Headers) -> None:
    """Refuse a change that a page of another site asks a browser for.

    Raises:
        ProblemError: 403.
    """
    if changes(method) and _is_foreign(headers):
        raise _forbidden("origin", "This was sent by a page of another site.")


def _shown(headers: Headers) -> str | None:
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and secret.strip():
        return secret.strip()
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return kept.value if kept is not None and kept.value else None


def _name(host: str) -> str:
    """The name in a Host header."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser sent this for another site: it would send our cookie, or reach loopback."""
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _unknown(detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED, "token", detail, headers={"WWW-Authenticate": "Bearer"}
    )


def _forbidden(kind: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, kind, detail)
