"""``/v1/audit``: who changed what, and when."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.store.audit import AuditEntry, find_entries
from detector.web import answers, cursors, examples
from detector.web.parameters import Paged, read
from detector.web.state import state_of

router = answers.router("audit")

Name = Annotated[str, Meta(min_length=1, max_length=253)]


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Changes, the last one first."""

    items: list[AuditEntry]
    next_page_token: str | None = None


class AuditQuery(Paged, frozen=True):
    """Which changes are asked for."""

    by: Annotated[Name | None, Meta(description="Made by this token.")] = None
    subject: Annotated[Name | None, Meta(description="Of what has this id.")] = None
    action: Annotated[Name | None, Meta(description="Such as silence.create.")] = None


@router.get(
    "/audit",
    **answers.described(
        answer=AuditPage, example=AuditPage(items=[examples.AUDITED]), query=AuditQuery
    ),
)
def audit(request: Request) -> Response:
    """Changes that people made, the last one first."""
    query = read(request, AuditQuery)
    before = cursors.decode(request, query.page_token, str)
    with state_of(request).store.reading() as connection:
        found = find_entries(
            connection,
            by=query.by,
            subject=query.subject,
            action=query.action,
            before=None if before is None else int(before),
            limit=query.page_size + 1,
        )
    page = found[: query.page_size]
    if len(found) <= query.page_size:
        return answers.send(request, AuditPage(items=page))
    token = cursors.encode(request, str(page[-1].id))
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, AuditPage(items=page, next_page_token=token), headers=link)
