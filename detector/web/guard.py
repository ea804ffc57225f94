"""What every request passes before it reaches a route, and every answer on its way out."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detector.settings import Settings
from detector.web.problems import ProblemError


class Guard:
    """Gives every request an id, and a limit to its body.

    Args:
        app: the application behind it.
        settings: the whole tree.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_body = settings.web.max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            scope["request_id"] = uuid.uuid4().hex[:16]
            receive = self._limited(Headers(scope=scope), receive)
        await self._app(scope, receive, send)

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
