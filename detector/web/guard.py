"""What every request passes before it reaches a route, and every answer on its way out."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detector import clock
from detector.errors import StoreError
from detector.web import problems
from detector.web.access import Gate, changes, check_origin, scope_for
from detector.web.problems import ProblemError
from detector.web.rates import Rates
from detector.web.state import State

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise."""

METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
NO_ROUTE = "-"
"""In place of the route's template, of a request that found none or was not let in."""
STREAM = "/v1/events"

log = logging.getLogger("uvicorn.error")


class Guard:
    """Gives requests an id, limits their number and size, and asks who sends them.

    Args:
        app: the application behind it.
        state: what its requests share.
        refusal: the answer to a request that may not go on.
    """

    def __init__(
        self, app: ASGIApp, state: State, refusal: Callable[[Request, ProblemError], Response]
    ) -> None:
        web = state.settings.web
        self._app = app
        self._refusal = refusal
        self._max_body = web.max_body_bytes
        self._rates = Rates(web.rate_per_s, web.burst)
        self._gate = Gate(state.store, web)
        self._meter = state.meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = uuid.uuid4().hex[:16]
        headers, begun_s = Headers(scope=scope), clock.monotonic_s()
        status: int | None = None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-Id"] = scope["request_id"]
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        try:
            await self._answer(scope, headers, receive, sending)
        except Exception:
            if status is not None:
                raise  # the server breaks off the answer
            log.exception("A defect; request_id %s", scope["request_id"])
            await self._refusal(Request(scope), problems.DEFECT)(scope, receive, sending)
        finally:
            self._count_answer(scope, status, clock.monotonic_s() - begun_s)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            await self._admit(scope, headers)
        except ProblemError as problem:
            self._meter.refused(problem.kind)
            await self._refusal(Request(scope), problem)(scope, receive, send)
        except StoreError as error:
            unavailable = problems.of_store(error)
            await self._refusal(Request(scope), unavailable)(scope, receive, send)
        else:
            await self._app(scope, self._limited(headers, receive), send)

    def _count_answer(self, scope: Scope, status: int | None, took_s: float) -> None:
        """Count an answer; a client that left before its head came had none."""
        route = getattr(scope.get("route"), "path_format", NO_ROUTE)
        if status is not None:
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._meter.answered(method, route, status)
        if route != STREAM:
            self._meter.took(route, took_s)

    async def _admit(self, scope: Scope, headers: Headers) -> None:
        """Find out who asks.

        Raises:
            ProblemError: the request may not go on.
        """
        method, path = scope["method"], scope["path"]
        client = scope.get("client")
        address = f"address {client[0] if client else '-'}"
        try:
            who = await self._gate.known(headers)
        except ProblemError:
            self._count(address)
            if scope_for(method, path) is not None:
                raise
            check_origin(method, headers)
            return
        if scope_for(method, path) is not None or changes(method):
            self._count(f"token {who.name}" if who.name not in {"local", "anonymous"} else address)
        self._gate.check(who, method, path, headers)
        scope["principal"] = who

    def _count(self, client: str) -> None:
        wait_s = self._rates.take(client)
        if wait_s:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate",
                f"Too many requests; come again in {wait_s} s (web.rate_per_s, web.burst).",
                headers={"Retry-After": str(wait_s)},
            )

    def _limited(self, headers: Headers, receive: Receive) -> Receive:
        """``receive`` that ends a request whose body is, or becomes, too large."""
        length = headers.get("content-length", "")
        taken = int(length) if length.isdecimal() else 0

        def check() -> None:
            if taken > self._max_body:
                raise ProblemError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "too-large",
                    f"The body is larger than {self._max_body} bytes (web.max_body_bytes).",
                )

        async def limited() -> Message:
            nonlocal taken
            check()  # what is announced to be too large is not read
            message = await receive()
            if not length:
                taken += len(message.get("body", b""))
                check()
            return message

        return limited
