"""Requests that change something: their bodies, their conditions, their one transaction.

The change, its line in the audit log and the answer kept for its Idempotency-Key are written
together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Request, Response
from msgspec import Meta

from detector import clock
from detector.store import audit
from detector.store.shared import Connection
from detector.web import answers
from detector.web.access import principal_of
from detector.web.problems import Pointer, ProblemError
from detector.web.state import state_of

KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_LONGEST_KEY = 200

Text = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
Who = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request."""


B = TypeVar("B", bound=Body)


async def _raw(request: Request) -> bytes:
    return await request.body()


Raw = Annotated[bytes, Depends(_raw)]
"""The bytes of a request's body, as a parameter of a route."""


@dataclass(frozen=True, slots=True)
class Write:
    """A change under way."""

    request: Request
    connection: Connection
    now: datetime

    @property
    def by(self) -> str:
        """Who makes the change."""
        return principal_of(self.request).name

    def note(self, action: str, subject: str, details: object) -> None:
        """Write the change into the audit log."""
        audit.note(
            self.connection,
            at=self.now,
            by=self.by,
            action=action,
            subject=subject,
            details=details,
            request_id=str(self.request.scope.get("request_id", "")),
        )

    def check(self, present: object | None, *, needed: bool) -> None:
        """Hold the conditions in the request's headers against what is there.

        Args:
            present: the document as it would be read now; None when there is none.
            needed: whether a condition has to be given when something is there: the writer
                must have seen what the write replaces.

        Raises:
            ProblemError: 412, when it has changed; 428, when a condition is missing.
        """
        headers = self.request.headers
        wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
        tag = None if present is None else answers.tag(present)
        if wanted is not None and (tag is None or not answers.matches(wanted, tag)):
            raise _condition("If-Match", "It is not what you read any more; read it again.")
        if unwanted is not None and tag is not None and answers.matches(unwanted, tag):
            raise _condition("If-None-Match", "There is one already.")
        if needed and tag is not None and wanted is None:
            raise ProblemError(
                HTTPStatus.PRECONDITION_REQUIRED,
                "condition-needed",
                "This would replace what somebody else may have written: read it, and send its "
                "ETag as If-Match.",
                errors=[Pointer("If-Match is missing.", parameter="If-Match")],
            )


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered to a change; without a document, nothing."""

    document: object | None = None
    status: int = 200
    location: str | None = None


def parse(request: Request, raw: bytes, kind: type[B]) -> B:
    """The body of a request; an empty one is an empty object.

    Raises:
        ProblemError: 415, 400 or 422, with a pointer to the fault.
    """
    sort = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and sort != answers.JSON:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", "Send the body as application/json."
        )
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).rpartition(" - at `$.")
        fact = fact or str(error)
        pointer = "/" + place.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
        raise unprocessable(f"{fact}.", pointer) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "json", f"The body is no JSON: {error}.") from (
            error
        )


def unprocessable(detail: str, pointer: str) -> ProblemError:
    """The problem of a body that is well formed and means nothing."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "body",
        detail,
        errors=[Pointer(detail, pointer=pointer)],
    )


def perform(request: Request, raw: bytes, act: Callable[[Write], Reply]) -> Response:
    """Make a change in a transaction of its own; or answer again what was answered before.

    Raises:
        ProblemError: whatever ``act`` finds wrong; and 422, when an Idempotency-Key was used for
            another request.
    """
    now, key = clock.now(), _key(request)
    with state_of(request).store.writing() as connection:
        before = None if key is None else audit.earlier_answer(connection, key, now)
        question = _question(request, raw)
        if before is not None:
            return _again(before, question)
        reply = act(Write(request, connection, now))
        response = _response(request, reply)
        if key is not None:
            names = ("etag", "location", "content-type")
            headers = {name: response.headers[name] for name in names if name in response.headers}
            kept = audit.Answered(question, reply.status, headers, bytes(response.body))
            audit.keep_answer(connection, key, kept, now)
    return response


def _response(request: Request, reply: Reply) -> Response:
    if reply.document is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    headers: Mapping[str, str] = {} if reply.location is None else {"Location": reply.location}
    return answers.send(request, reply.document, status=reply.status, headers=headers)


def _again(before: audit.Answered, question: str) -> Response:
    if before.question != question:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency-key",
            "This key was used for another request within the last 24 hours; take a new one.",
            errors=[Pointer("Used before.", parameter=KEY)],
        )
    return Response(
        before.body, status_code=before.status, headers={**before.headers, REPLAYED: "true"}
    )


def _key(request: Request) -> str | None:
    """The client's key, under the client's name: nobody gets another one's answer."""
    key = request.headers.get(KEY)
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY:
        fault = f"{KEY} must have 1 to {_LONGEST_KEY} characters."
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "parameter", fault, errors=[Pointer(fault, parameter=KEY)]
        )
    return f"{principal_of(request).name}\n{key}"


def _question(request: Request, raw: bytes) -> str:
    facts = f"{request.method} {request.url.path}\n".encode()
    return blake2b(facts + raw, digest_size=16).hexdigest()


def _condition(header: str, detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.PRECONDITION_FAILED,
        "condition",
        detail,
        errors=[Pointer(detail, parameter=header)],
    )


def header(name: str, text: str) -> dict[str, Any]:
    """A header for the OpenAPI document."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": text,
        "schema": {"type": "string"},
    }


IDEMPOTENCY = header(KEY, "A name of your choice; the same one again gives the same answer.")
IF_MATCH = header("If-Match", "ETag of what the write replaces.")
PROBLEMS = {
    412: "It has changed since it was read.",
    413: "The body is too large.",
    415: "The body is not sent as JSON.",
    422: "The body, or the use of the Idempotency-Key, makes no sense.",
    428: "Something would be replaced; If-Match must say what.",
}
