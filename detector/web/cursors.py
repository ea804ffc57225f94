"""Opaque cursors: where the page before ended, bound to the question that was asked."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from hashlib import blake2b
from http import HTTPStatus
from typing import TypeVar

import msgspec
from fastapi import Request

from detector.web.problems import Pointer, ProblemError

PAGE_TOKEN = "_".join(("page", "token"))
P = TypeVar("P")


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last item of a page."""

    question: str  # digest of the filters
    place: tuple[datetime, str] | str


def encode(request: Request, place: tuple[datetime, str] | str) -> str:
    """The token of the page behind ``place``."""
    packed = msgspec.json.encode(Cursor(_question(request), place))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(request: Request, token: str | None, kind: type[P]) -> P | None:
    """The place behind which the page of ``token`` starts; None without a token.

    Raises:
        ProblemError: 400, when the token is not ours, or belongs to other filters.
    """
    if token is None:
        return None
    try:
        packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        cursor = msgspec.json.decode(packed, type=Cursor)
        place = msgspec.convert(cursor.place, kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise not_ours() from error
    if cursor.question != _question(request):
        raise _refused("The page token belongs to other filters; start again without it.")
    return place


def not_ours() -> ProblemError:
    """The problem of a token that this server did not give."""
    return _refused("The page token is none that this server gave.")


def next_link(request: Request, token: str) -> str:
    """The Link header that names the next page."""
    return f'<{next_page(request, token)}>; rel="next"'


def next_page(request: Request, token: str) -> str:
    """The address of the next page."""
    url = request.url.include_query_params(**{PAGE_TOKEN: token})
    return f"{url.path}?{url.query}"


def _question(request: Request) -> str:
    asked = sorted(
        item
        for item in request.query_params.multi_items()
        if item[0] not in {PAGE_TOKEN, "page_size"}
    )
    return blake2b(msgspec.json.encode([request.url.path, asked]), digest_size=6).hexdigest()


def _refused(detail: str) -> ProblemError:
    fault = Pointer(detail, parameter=PAGE_TOKEN)
    return ProblemError(HTTPStatus.BAD_REQUEST, "page-token", detail, errors=[fault])
