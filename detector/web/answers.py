"""Answers as JSON with an ETag: what has not changed is not sent again."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRouter

from detector.web import parameters, schema
from detector.web.problems import MEDIA_TYPE
from detector.web.schema import reference

JSON = "application/json"


def send(
    request: Request,
    document: object,
    *,
    status: int = 200,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A document as JSON; 304 without a body when the client has it already.

    Args:
        request: whose If-None-Match is heeded.
        document: what msgspec can encode.
        status: of HTTP.
        etag: quoted; by default made from the content.
        headers: further headers.
    """
    body = msgspec.json.encode(document)
    mark = etag or _tag(body)
    shown = {"ETag": mark, "Cache-Control": "no-cache", **(headers or {})}
    if request.method in {"GET", "HEAD"} and matches(request.headers.get("if-none-match"), mark):
        return Response(status_code=304, headers=shown)
    return Response(body, status_code=status, media_type=JSON, headers=shown)


def tag(document: object) -> str:
    """The ETag under which `send` would give a document."""
    return _tag(msgspec.json.encode(document))


def _tag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str | None, etag: str) -> bool:
    """Whether a list of entity tags (RFC 9110, 8.8.3; weak comparison) names ``etag``, or any."""
    if header is None:
        return False
    tags = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in tags or etag in tags


def described(
    *,
    answer: object,
    example: object | None = None,
    query: type[parameters.Query] = parameters.Query,
    body: object | None = None,
    body_example: object | None = None,
    body_needed: bool = True,
    headers: tuple[dict[str, Any], ...] = (),
    status: int = 200,
    media_type: str = JSON,
    problems: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """What a route's decorator needs to stand in the OpenAPI document.

    Args:
        answer: type of the document that is answered; None for an answer without one.
        example: of the answer.
        query: the parameters.
        body: type of the request's body, if it has one.
        body_example: of the body.
        body_needed: whether the request needs a body.
        headers: parameters in headers.
        status: of the answer.
        media_type: of the answer.
        problems: further problems by status, with when they happen.
    """
    good: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        content: dict[str, Any] = {"schema": reference(answer)}
        if example is not None:
            content["example"] = schema.example(example)
        good["content"] = {media_type: content}
    extra: dict[str, Any] = {"parameters": [*parameters.documented(query), *headers]}
    if body is not None:
        taken: dict[str, Any] = {"schema": reference(body)}
        if body_example is not None:
            taken["example"] = schema.example(body_example)
        extra["requestBody"] = {"required": body_needed, "content": {JSON: taken}}
    return {
        "status_code": status,
        "response_class": Response,
        "openapi_extra": extra,
        "responses": {status: good, **_problems(problems or {})},
    }


_ALWAYS = {
    400: "A parameter is unknown or malformed.",
    401: "A token is needed, or the one given is not known any more.",
    403: "The token lacks the scope, or the Host header names another server.",
    429: "Too many requests; Retry-After says when to come again.",
    503: "The store cannot be read now.",
}


def _problems(more: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    shape = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {"description": text, "content": {MEDIA_TYPE: shape}}
        for status, text in {**_ALWAYS, **more}.items()
    }


def router(tag: str) -> APIRouter:
    """A router of the API."""
    return APIRouter(prefix="/v1", tags=[tag])
