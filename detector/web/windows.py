"""``/v1/windows``: the stretches in which proxies take on new configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.reconciliation import window_of
from detector.store.marks import one_mark
from detector.store.window_rows import WindowPlace, find_windows, one_window
from detector.types import Window, WindowKind
from detector.web import answers, cursors, examples
from detector.web.parameters import Instant, Paged, Query, read
from detector.web.problems import not_found
from detector.web.state import state_of

router = answers.router("windows")


class WindowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A reconciliation window."""

    id: str
    kind: WindowKind
    started_at: datetime
    ended_at: datetime | None
    affects_until: datetime | None
    from_version: str | None
    to_version: str | None
    revision: str | None
    expected: int
    reconciled: int
    failed: int
    reason: str
    inferred: bool


class OneWindow(WindowDocument, frozen=True, kw_only=True):
    """A reconciliation window with the proxies that took part, and when each did."""

    proxies: dict[str, datetime]


class WindowPage(msgspec.Struct, frozen=True, kw_only=True):
    """Windows, the one that started last first."""

    items: list[WindowDocument]
    next_page_token: str | None = None


class WindowQuery(Paged, frozen=True):
    """Which windows are asked for."""

    kind: Annotated[tuple[WindowKind, ...], Meta(description="Of one of these kinds.")] = ()
    open: Annotated[bool | None, Meta(description="Only those that go on, or do not.")] = None
    since: Annotated[Instant | None, Meta(description="Had not ended by then (RFC 3339).")] = None
    until: Annotated[Instant | None, Meta(description="Started before then (RFC 3339).")] = None


def _common(window: Window) -> dict[str, object]:
    return {
        "id": window.id,
        "kind": window.kind,
        "started_at": window.started_at,
        "ended_at": window.ended_at,
        "affects_until": window.affects_until,
        "from_version": window.from_version,
        "to_version": window.to_version,
        "revision": window.revision,
        "expected": window.expected,
        "reconciled": len(window.reconciled),
        "failed": window.failed,
        "reason": window.reason,
        "inferred": window.inferred,
    }


def document(window: Window) -> WindowDocument:
    """A window as lists tell it."""
    return msgspec.convert(_common(window), WindowDocument)


def whole(window: Window) -> OneWindow:
    """A window with its proxies."""
    return msgspec.convert({**_common(window), "proxies": window.reconciled}, OneWindow)


@router.get(
    "/windows",
    **answers.described(
        answer=WindowPage,
        example=WindowPage(items=[document(examples.WINDOW)]),
        query=WindowQuery,
    ),
)
def windows(request: Request) -> Response:
    """Reconciliation windows, the one that started last first."""
    query = read(request, WindowQuery)
    after = cursors.decode(request, query.page_token, WindowPlace)
    with state_of(request).store.reading() as connection:
        found = find_windows(
            connection,
            kinds=query.kind,
            open_now=query.open,
            since=query.since,
            until=query.until,
            after=after,
            limit=query.page_size + 1,
        )
    page = [document(one) for one in found[: query.page_size]]
    if len(found) <= query.page_size:
        return answers.send(request, WindowPage(items=page))
    token = cursors.encode(request, (page[-1].started_at, page[-1].id))
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, WindowPage(items=page, next_page_token=token), headers=link)


@router.get(
    "/windows/{window_id}",
    **answers.described(
        answer=OneWindow,
        example=whole(examples.WINDOW),
        problems={404: "There is no such window."},
    ),
)
def window(request: Request, window_id: str) -> Response:
    """One window with its proxies; also one that was announced and that the worker has not met."""
    read(request, Query)
    with state_of(request).store.reading() as connection:
        found = one_window(connection, window_id)
        mark = one_mark(connection, window_id)
    if mark is not None and (found is None or found.ended_at is None):
        found = window_of(mark)
    if found is None:
        raise not_found("window", window_id)
    return answers.send(request, whole(found))
