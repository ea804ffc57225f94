"""Parameters as browsers' forms send them: fields left empty are there all the same."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode

from fastapi import Request

from detector.web.parameters import Query, read

Q = TypeVar("Q", bound=Query)


def read_form(request: Request, kind: type[Q]) -> tuple[Request, Q]:
    """The request without its empty parameters, and what the others say.

    Raises:
        ProblemError: 400, naming a parameter that is unknown or malformed.
    """
    given = [item for item in request.query_params.multi_items() if item[1].strip()]
    scope = {**request.scope, "query_string": urlencode(given).encode()}
    bare = Request(scope, request.receive)
    return bare, read(bare, kind)
