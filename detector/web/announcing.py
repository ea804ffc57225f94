"""``/v1/windows``: changes that people and pipelines announce, opened and closed."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Request, Response
from msgspec import Meta

from detector.reconciliation import Mark, window_of
from detector.store.marks import close_mark, one_mark, open_mark
from detector.store.window_rows import one_window
from detector.web import answers, examples, writing
from detector.web.parameters import Instant, check_none
from detector.web.problems import ProblemError, not_found
from detector.web.windows import OneWindow, whole
from detector.web.writing import Body, Raw, Reply, Write

router = answers.router("windows")

Version = Annotated[str, Meta(min_length=1, max_length=100)]
MarkKind = Literal[
    "upgrade", "revision", "restart", "push", "rotation", "sidecar-rollout", "manual"
]


class WindowBody(Body, frozen=True, kw_only=True):
    """A change that begins; ``started_at`` is now where it is not given."""

    kind: MarkKind = "manual"
    from_version: Version | None = None
    to_version: Version | None = None
    revision: Version | None = None
    note: Annotated[str, Meta(max_length=2000)] | None = None
    started_at: Instant | None = None


class CloseBody(Body, frozen=True, kw_only=True):
    """A change that is over."""

    note: Annotated[str, Meta(max_length=2000)] | None = None


@router.post(
    "/windows",
    **answers.described(
        answer=OneWindow,
        example=whole(examples.MARKED),
        body=WindowBody,
        body_example=WindowBody(kind="upgrade", from_version="1.7.4", to_version="1.7.5"),
        body_needed=False,
        headers=(writing.IDEMPOTENCY,),
        status=HTTPStatus.CREATED,
        problems=writing.PROBLEMS,
    ),
)
def create(request: Request, raw: Raw) -> Response:
    """Announce a change; what is observed of it later joins this window."""
    check_none(request)
    body = writing.parse(request, raw, WindowBody)

    def act(write: Write) -> Reply:
        started = body.started_at or write.now
        if started > write.now:
            raise writing.unprocessable("A change cannot begin in the future.", "/started_at")
        mark = Mark(
            id=f"m{uuid.uuid4().hex[:16]}",
            kind=body.kind,
            started_at=started,
            from_version=body.from_version,
            to_version=body.to_version,
            revision=body.revision,
            note=body.note,
            author=write.by,
        )
        open_mark(write.connection, mark)
        write.note("window.create", mark.id, body)
        return Reply(whole(window_of(mark)), HTTPStatus.CREATED, f"/v1/windows/{mark.id}")

    return writing.perform(request, raw, act)


@router.post(
    "/windows/{window_id}/close",
    **answers.described(
        answer=OneWindow,
        example=whole(examples.MARKED),
        body=CloseBody,
        body_example=CloseBody(note="helm upgrade done"),
        body_needed=False,
        headers=(writing.IDEMPOTENCY,),
        problems={
            **writing.PROBLEMS,
            404: "There is no such window.",
            409: "It is closed already, or was observed and closes by itself.",
        },
    ),
)
def close(request: Request, raw: Raw, window_id: str) -> Response:
    """Say that an announced change is over."""
    check_none(request)
    body = writing.parse(request, raw, CloseBody)

    def act(write: Write) -> Reply:
        known = one_mark(write.connection, window_id)
        if known is None:
            if one_window(write.connection, window_id) is None:
                raise not_found("window", window_id)
            raise _conflict("This window was observed, not announced; it closes by itself.")
        if not close_mark(write.connection, window_id, write.now, body.note):
            raise _conflict("This window is closed already.")
        write.note("window.close", window_id, body)
        closed = one_mark(write.connection, window_id)
        assert closed is not None
        return Reply(whole(window_of(closed)))

    return writing.perform(request, raw, act)


def _conflict(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, "window-closed", detail)
