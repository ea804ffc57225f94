"""What people say of an incident: who looks after it, and whether it was one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from msgspec import Meta

from detector.incidents.expectations import expectation
from detector.store import feedback as store
from detector.store.feedback import Acknowledgement, Feedback, Verdict
from detector.store.incident_index import Told, one_incident
from detector.web import answers, examples, writing
from detector.web.parameters import Query, check_none, read
from detector.web.problems import not_found
from detector.web.state import state_of
from detector.web.writing import Body, Raw, Reply, Write

router = answers.router("incidents")

Note = Annotated[str, Meta(max_length=2000)]
_NONE = {404: "There is no such incident, or nothing was said of it."}


class AcknowledgeBody(Body, frozen=True, kw_only=True):
    """Somebody looks after an incident."""

    note: Note | None = None


class FeedbackBody(Body, frozen=True, kw_only=True):
    """What an incident was: a true one, a false alarm, or something to be expected.

    Alarms of the same services and signals, within the same kind of window if it was in one, and
    with at most twice the errors, open no incident once one was called *expected*.
    """

    verdict: Verdict
    note: Note | None = None


def acknowledge(write: Write, incident_id: str, body: AcknowledgeBody) -> Reply:
    """Let the writer look after an incident.

    Raises:
        ProblemError: 404; or 412 or 428, when it would replace what the writer has not seen.
    """
    _needed(write, incident_id)
    write.check(_acknowledged(write, incident_id), needed=True)
    told = Acknowledgement(incident_id=incident_id, by=write.by, at=write.now, note=body.note)
    store.put_acknowledgement(write.connection, told)
    write.note("incident.acknowledge", incident_id, {"note": body.note})
    return Reply(told)


def unacknowledge(write: Write, incident_id: str) -> Reply:
    """Let nobody look after an incident.

    Raises:
        ProblemError: 404, when nobody does; or 412.
    """
    present = _acknowledged(write, incident_id)
    if present is None:
        raise not_found("acknowledgement of an incident", incident_id)
    write.check(present, needed=False)
    store.drop_acknowledgement(write.connection, incident_id)
    write.note("incident.unacknowledge", incident_id, present)
    return Reply()


def judge(write: Write, incident_id: str, body: FeedbackBody) -> Reply:
    """Write down what an incident was.

    Raises:
        ProblemError: 404; or 412 or 428, when it would replace what the writer has not seen.
    """
    document = _needed(write, incident_id).document
    write.check(_judged(write, incident_id), needed=True)
    told = Feedback(
        incident_id=incident_id, verdict=body.verdict, by=write.by, at=write.now, note=body.note
    )
    expected = expectation(document) if body.verdict == "expected" else None
    store.put_feedback(write.connection, told, expected)
    write.note("incident.feedback", incident_id, {"verdict": body.verdict, "note": body.note})
    return Reply(told)


def withdraw(write: Write, incident_id: str) -> Reply:
    """Take back what was said that an incident was.

    Raises:
        ProblemError: 404, when nothing was said; or 412.
    """
    present = _judged(write, incident_id)
    if present is None:
        raise not_found("feedback on an incident", incident_id)
    write.check(present, needed=False)
    store.drop_feedback(write.connection, incident_id)
    write.note("incident.feedback.withdraw", incident_id, present)
    return Reply()


def _acknowledged(write: Write, incident_id: str) -> Acknowledgement | None:
    return store.acknowledgements_of(write.connection, [incident_id]).get(incident_id)


def _judged(write: Write, incident_id: str) -> Feedback | None:
    return store.feedback_of(write.connection, [incident_id]).get(incident_id)


def _needed(write: Write, incident_id: str) -> Told:
    told = one_incident(write.connection, incident_id)
    if told is None:
        raise not_found("incident", incident_id)
    return told


@router.get(
    "/incidents/{incident_id}/acknowledgement",
    **answers.described(answer=Acknowledgement, example=examples.ACKNOWLEDGEMENT, problems=_NONE),
)
def acknowledgement(request: Request, incident_id: str) -> Response:
    """Who looks after an incident."""
    read(request, Query)
    with state_of(request).store.reading() as connection:
        found = store.acknowledgements_of(connection, [incident_id])
    if incident_id not in found:
        raise not_found("acknowledgement of an incident", incident_id)
    return answers.send(request, found[incident_id])


@router.post(
    "/incidents/{incident_id}/acknowledgement",
    **answers.described(
        answer=Acknowledgement,
        example=examples.ACKNOWLEDGEMENT,
        body=AcknowledgeBody,
        body_example=AcknowledgeBody(note="looking into it"),
        body_needed=False,
        headers=(writing.IDEMPOTENCY, writing.IF_MATCH),
        problems={**writing.PROBLEMS, **_NONE},
    ),
)
def take(request: Request, raw: Raw, incident_id: str) -> Response:
    """Look after an incident; in place of another one only with If-Match."""
    check_none(request)
    body = writing.parse(request, raw, AcknowledgeBody)
    return writing.perform(request, raw, lambda write: acknowledge(write, incident_id, body))


@router.delete(
    "/incidents/{incident_id}/acknowledgement",
    **answers.described(
        answer=None,
        status=204,
        headers=(writing.IDEMPOTENCY, writing.IF_MATCH),
        problems={**writing.PROBLEMS, **_NONE},
    ),
)
def leave(request: Request, raw: Raw, incident_id: str) -> Response:
    """Look after it no more."""
    check_none(request)
    return writing.perform(request, raw, lambda write: unacknowledge(write, incident_id))


@router.get(
    "/incidents/{incident_id}/feedback",
    **answers.described(answer=Feedback, example=examples.FEEDBACK, problems=_NONE),
)
def feedback(request: Request, incident_id: str) -> Response:
    """What somebody says that an incident was."""
    read(request, Query)
    with state_of(request).store.reading() as connection:
        found = store.feedback_of(connection, [incident_id])
    if incident_id not in found:
        raise not_found("feedback on an incident", incident_id)
    return answers.send(request, found[incident_id])


@router.post(
    "/incidents/{incident_id}/feedback",
    **answers.described(
        answer=Feedback,
        example=examples.FEEDBACK,
        body=FeedbackBody,
        body_example=FeedbackBody(verdict="expected", note="we drain this zone every Monday"),
        headers=(writing.IDEMPOTENCY, writing.IF_MATCH),
        problems={**writing.PROBLEMS, **_NONE},
    ),
)
def give(request: Request, raw: Raw, incident_id: str) -> Response:
    """Say what an incident was; in place of what was said before only with If-Match."""
    check_none(request)
    body = writing.parse(request, raw, FeedbackBody)
    return writing.perform(request, raw, lambda write: judge(write, incident_id, body))


@router.delete(
    "/incidents/{incident_id}/feedback",
    **answers.described(
        answer=None,
        status=204,
        headers=(writing.IDEMPOTENCY, writing.IF_MATCH),
        problems={**writing.PROBLEMS, **_NONE},
    ),
)
def unsay(request: Request, raw: Raw, incident_id: str) -> Response:
    """As if nothing had been said; what was expected opens incidents again."""
    check_none(request)
    return writing.perform(request, raw, lambda write: withdraw(write, incident_id))
