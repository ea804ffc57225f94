"""``/v1/signatures``: the known faults, what to do about them, and how often each was found."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.signatures import Fault
from detector.store.hits import Hits, signature_hits
from detector.types import Cause
from detector.web import answers, examples
from detector.web.parameters import Query, check_none, read
from detector.web.problems import not_found
from detector.web.state import State, state_of

router = answers.router("signatures")

Name = Annotated[str, Meta(min_length=1, max_length=253)]


class SignatureHits(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that showed a fault, and when the last of them was detected."""

    times: int
    last: datetime


class KnownFault(Fault, frozen=True, kw_only=True):
    """An entry of the catalogue; ``off`` when the settings leave it out."""

    off: bool = False
    hits: SignatureHits | None = None


class Signatures(msgspec.Struct, frozen=True, kw_only=True):
    """The whole catalogue, one's own entries first."""

    items: list[KnownFault]


class SignatureQuery(Query, frozen=True):
    """Which faults are asked for."""

    cause: Annotated[tuple[Cause, ...], Meta(description="Whose doing, one of these.")] = ()
    off: Annotated[bool | None, Meta(description="Only those that are off, or are not.")] = None
    found: Annotated[
        bool | None, Meta(description="Only those that incidents showed, or did not.")
    ] = None


def _document(fault: Fault, hits: Hits | None, state: State) -> KnownFault:
    return KnownFault(
        **msgspec.structs.asdict(fault),
        off=fault.id in state.settings.signatures.off,
        hits=None if hits is None else SignatureHits(times=hits.times, last=hits.last),
    )


_EXAMPLE = KnownFault(
    **msgspec.structs.asdict(examples.FAULT),
    hits=SignatureHits(times=2, last=examples.INCIDENT.detected_at),
)


@router.get(
    "/signatures",
    **answers.described(
        answer=Signatures, example=Signatures(items=[_EXAMPLE]), query=SignatureQuery
    ),
)
def signatures(request: Request) -> Response:
    """The catalogue of known faults, with how often each was found."""
    query, state = read(request, SignatureQuery), state_of(request)
    with state.store.reading() as connection:
        hits = signature_hits(connection)
    items = [
        _document(fault, hits.get(fault.id), state)
        for fault in state.faults
        if not query.cause or fault.cause in query.cause
    ]
    kept = [
        one
        for one in items
        if query.off in {None, one.off} and query.found in {None, one.hits is not None}
    ]
    return answers.send(request, Signatures(items=kept))


@router.get(
    "/signatures/{signature_id}",
    **answers.described(
        answer=KnownFault,
        example=_EXAMPLE,
        problems={404: "There is no such fault."},
    ),
)
def signature(request: Request, signature_id: str) -> Response:
    """One known fault."""
    check_none(request)
    state = state_of(request)
    found = [fault for fault in state.faults if fault.id == signature_id]
    if not found:
        raise not_found("fault", signature_id)
    with state.store.reading() as connection:
        hits = signature_hits(connection)
    return answers.send(request, _document(found[0], hits.get(signature_id), state))
