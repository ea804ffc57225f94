"""Errors as RFC 9457 problem details: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from detector.errors import StoreError

MEDIA_TYPE = "application/problem+json"
TYPES = "https://pushwake.dev/problems/"
"""Prefix of the stable names of problems; a name, not a page that is fetched."""


class Pointer(msgspec.Struct, frozen=True):
    """One fault of a request, and where it is."""

    detail: str
    parameter: str | None = None  # of the query, or a header
    pointer: str | None = None  # into the body


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """ProblemError details as of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Pointer] = []


class ProblemError(Exception):
    """Ends a request with a problem.

    Args:
        status: of HTTP.
        kind: the stable name at the end of ``type``.
        detail: this very case, in one sentence or two.
        errors: where the faults are.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        errors: list[Pointer] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})


def not_found(what: str, name: str) -> ProblemError:
    """The problem of a name that nobody bears."""
    return ProblemError(HTTPStatus.NOT_FOUND, "not-found", f"There is no {what} {name!r}.")


def of_store(error: StoreError) -> ProblemError:
    """The problem of a store that cannot be used now."""
    detail = f"The store cannot be used: {error.what}. {error.advice}."
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE, "store", detail, headers={"Retry-After": "5"}
    )


DEFECT = ProblemError(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "defect",
    "This is a defect of Pushwake; its log says more under the request_id.",
)


def install(app: FastAPI) -> None:
    """Let every expected error leave as a problem; the guard answers to the others."""

    @app.exception_handler(ProblemError)
    def _problem(request: Request, error: ProblemError) -> Response:
        return answer(request, error)

    @app.exception_handler(StoreError)
    def _store(request: Request, error: StoreError) -> Response:
        return answer(request, of_store(error))

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        return answer(request, _of_http(request, error))


def answer(request: Request, problem: ProblemError) -> Response:
    """The problem as a response."""
    document = ProblemDocument(
        type=TYPES + problem.kind,
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        request_id=str(request.scope.get("request_id", "")),
        errors=problem.errors,
    )
    return Response(
        msgspec.json.encode(document),
        status_code=problem.status.value,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


_KINDS: dict[int, tuple[str, str]] = {
    404: ("not-found", "There is nothing at this address; /openapi.json lists what there is."),
    405: ("method", "This address does not answer that method; the Allow header says which."),
}


def _of_http(request: Request, error: HTTPException) -> ProblemError:
    kind, detail = _KINDS.get(error.status_code, ("http", str(error.detail)))
    headers: dict[str, Any] = dict(error.headers or {})
    return ProblemError(HTTPStatus(error.status_code), kind, detail, headers=headers)
