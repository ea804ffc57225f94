"""Parameters of a query, checked against a struct: what is not known is refused by name.

The struct is the only table: it types and checks the values, and `documented` makes the
parameters of the OpenAPI document from it.
"""

from __future__ import annotations

import difflib
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import msgspec
from fastapi import Request
from msgspec import Meta

from detector.web.problems import Pointer, ProblemError

Instant = Annotated[datetime, Meta(tz=True)]
"""A time with its zone."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of one kind of request; every field with a default and a description."""


class Paged(Query, frozen=True):
    """The parameters that every list takes."""

    page_size: Annotated[int, Meta(ge=1, le=500, description="Items a page at the most.")] = 50
    page_token: Annotated[
        Annotated[str, Meta(max_length=2000)] | None,
        Meta(description="`next_page_token` of the page before, unchanged."),
    ] = None


Q = TypeVar("Q", bound=Query)


def read(request: Request, kind: type[Q]) -> Q:
    """The parameters of a request.

    Raises:
        ProblemError: 400, naming the parameter and, if it is unknown, the one that was meant.
    """
    listed = _listed(kind)
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name not in kind.__struct_fields__:
            raise _refused(name, _unknown(name, kind))
        if name in listed:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise _refused(name, f"{name} may be given once only.")
        else:
            values[name] = value
    try:
        query = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).rpartition(" - at `$.")
        name = place.rstrip("`").partition("[")[0]
        raise _refused(name, f"{name}: {fact}.") from error
    for name in values:
        if getattr(query, name) is None:
            raise _refused(name, f"{name}: `null` is no value; leave the parameter out.")
    return query


@cache
def _listed(kind: type[Query]) -> frozenset[str]:
    """The parameters that may be given more than once."""
    return frozenset(
        name for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple
    )


def check_none(request: Request) -> None:
    """Refuse any parameter, where none is known.

    Raises:
        ProblemError: 400, naming it.
    """
    read(request, Query)


def documented(kind: type[Query]) -> list[dict[str, Any]]:
    """The parameters for the OpenAPI document."""
    _, components = msgspec.json.schema_components([kind])
    properties = components[kind.__name__]["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": shape.pop("description", ""),
            "schema": _without_null(shape),
        }
        for name, shape in properties.items()
    ]


def _without_null(shape: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out cannot be null: a query has no null."""
    shape = {key: value for key, value in shape.items() if key != "default"}
    options = [one for one in shape.get("anyOf", ()) if one != {"type": "null"}]
    return {**{k: v for k, v in shape.items() if k != "anyOf"}, **options[0]} if options else shape


def _unknown(name: str, kind: type[Query]) -> str:
    near = difflib.get_close_matches(name, kind.__struct_fields__, n=1)
    if near:
        return f"There is no parameter {name}; did you mean {near[0]}?"
    known = ", ".join(kind.__struct_fields__) or "none"
    return f"There is no parameter {name}; known here: {known}."


def _refused(name: str, detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST, "parameter", detail, errors=[Pointer(detail, parameter=name)]
    )
