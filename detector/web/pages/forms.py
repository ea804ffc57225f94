"""What browsers' forms send: parameters of searches, and fields of what is to be changed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Request

from detector.web.parameters import Query, read
from detector.web.problems import ProblemError
from detector.web.writing import KEY, Body, unprocessable

Q = TypeVar("Q", bound=Query)
B = TypeVar("B", bound=Body)

FORM = "application/x-www-form-urlencoded"
_MANY = 50  # fields


def read_form(request: Request, kind: type[Q]) -> tuple[Request, Q]:
    """The request without its empty parameters, and what the others say.

    Raises:
        ProblemError: 400, naming a parameter that is unknown or malformed.
    """
    given = [item for item in request.query_params.multi_items() if item[1].strip()]
    scope = {**request.scope, "query_string": urlencode(given).encode()}
    bare = Request(scope, request.receive)
    return bare, read(bare, kind)


def fields(request: Request, raw: bytes) -> dict[str, str]:
    """The fields of a form that was sent, trimmed; without those left empty.

    Raises:
        ProblemError: 415 or 400, when it is no form.
    """
    sort = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and sort != FORM:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", "Only forms are taken here."
        )
    try:
        given = parse_qsl(raw.decode(), max_num_fields=_MANY)
    except ValueError as error:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "form", f"The form cannot be read: {error}."
        ) from error
    return {name: value.strip() for name, value in given if value.strip()}


def filled(values: Mapping[str, object], kind: type[B]) -> B:
    """The fields of a form as the body that REST takes, held to the same rules.

    Raises:
        ProblemError: 422, naming the field.
    """
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).rpartition(" - at `$.")
        where = place.rstrip("`").replace(".", ", ")
        detail = f"{where}: {fact}." if fact else f"{error}."
        raise unprocessable(detail, "/" + where) from error


def conditional(request: Request, raw: bytes, given: Mapping[str, str]) -> Request:
    """The request of a form with the headers that REST demands of a change.

    A field ``match`` says what the form showed, as If-Match does. A form that is sent twice, by a
    double click, acts once: its content is its Idempotency-Key. The field ``seen``, the last
    change that anybody made before the page was rendered, keeps later forms apart from earlier
    ones.
    """
    digest = blake2b(request.url.path.encode() + b"\n" + raw, digest_size=16).hexdigest()
    headers = [*request.scope["headers"], (KEY.lower().encode(), f"form-{digest}".encode())]
    if "match" in given:
        headers.append((b"if-match", given["match"].encode()))
    return Request({**request.scope, "headers": headers}, request.receive)
