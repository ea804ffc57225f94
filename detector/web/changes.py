"""``/v1/changes``: what changed when, by the control plane and beside it."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.reconciliation import WorkloadRollout
from detector.store.incident_index import one_incident
from detector.store.rollout_rows import RolloutPlace, find_rollouts
from detector.store.shared import Connection
from detector.store.window_rows import WindowPlace, find_windows
from detector.types import Window, WindowKind
from detector.web import answers, cursors, examples
from detector.web.parameters import Instant, Paged, read
from detector.web.problems import not_found
from detector.web.state import state_of

router = answers.router("changes")

Name = Annotated[str, Meta(min_length=1, max_length=253)]
ChangeKind = Literal[WindowKind, "workload-rollout"]

BEFORE = timedelta(hours=1)
"""A change that ended longer before an incident is not what people look for first."""


class ChangeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Something that changed.

    What the control plane did is a reconciliation window and has its id (/v1/windows). What
    Kubernetes told of a ``workload`` is a rollout; it ends with the last event heard of it.
    """

    id: str
    kind: ChangeKind
    started_at: datetime
    ended_at: datetime | None
    reason: str
    workload: str | None = None
    from_version: str | None = None
    to_version: str | None = None


class ChangePage(msgspec.Struct, frozen=True, kw_only=True):
    """Changes, the one that started last first."""

    items: list[ChangeDocument]
    next_page_token: str | None = None


class ChangeQuery(Paged, frozen=True):
    """Which changes are asked for."""

    kind: Annotated[tuple[ChangeKind, ...], Meta(description="Of one of these kinds.")] = ()
    workload: Annotated[
        tuple[Name, ...], Meta(description="Rollouts of one of these, name.namespace.")
    ] = ()
    namespace: Annotated[Name | None, Meta(description="Rollouts in this namespace.")] = None
    incident: Annotated[
        Name | None, Meta(description="From an hour before this incident to its end.")
    ] = None
    since: Annotated[Instant | None, Meta(description="Had not ended by then (RFC 3339).")] = None
    until: Annotated[Instant | None, Meta(description="Started before then (RFC 3339).")] = None


def of_window(window: Window) -> ChangeDocument:
    """What a control plane did."""
    return ChangeDocument(
        id=window.id,
        kind=window.kind,
        started_at=window.started_at,
        ended_at=window.ended_at,
        reason=window.reason,
        from_version=window.from_version,
        to_version=window.to_version,
    )


def of_rollout(rollout: WorkloadRollout) -> ChangeDocument:
    """What happened to a workload."""
    return ChangeDocument(
        id=rollout.id,
        kind="workload-rollout",
        started_at=rollout.started_at,
        ended_at=rollout.latest,
        reason=rollout.reason,
        workload=rollout.workload,
    )


@router.get(
    "/changes",
    **answers.described(
        answer=ChangePage,
        example=ChangePage(items=[of_window(examples.WINDOW), of_rollout(examples.ROLLOUT)]),
        query=ChangeQuery,
        problems={404: "There is no such incident."},
    ),
)
def changes(request: Request) -> Response:
    """Upgrades, pushes and the like, and rollouts of workloads, in one list."""
    query = read(request, ChangeQuery)
    after = cursors.decode(request, query.page_token, WindowPlace)
    with state_of(request).store.reading() as connection:
        since, until = _around(connection, query)
        found = _find(connection, query, since, until, after)
    page = found[: query.page_size]
    if len(found) <= query.page_size:
        return answers.send(request, ChangePage(items=page))
    token = cursors.encode(request, (page[-1].started_at, page[-1].id))
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, ChangePage(items=page, next_page_token=token), headers=link)


def _around(connection: Connection, query: ChangeQuery) -> tuple[datetime | None, datetime | None]:
    """The time that is asked for; that of the incident, where one is named, narrowed further."""
    if query.incident is None:
        return query.since, query.until
    told = one_incident(connection, query.incident)
    if told is None:
        raise not_found("incident", query.incident)
    since, until = told.document.started_at - BEFORE, told.document.ended_at
    ends = [one for one in (query.until, until) if one is not None]
    return max(query.since or since, since), min(ends, default=None)


def _find(
    connection: Connection,
    query: ChangeQuery,
    since: datetime | None,
    until: datetime | None,
    after: WindowPlace | None,
) -> list[ChangeDocument]:
    limit = query.page_size + 1
    kinds = [kind for kind in query.kind or get_args(WindowKind) if kind != "workload-rollout"]
    windows: list[Window] = []
    if kinds and not query.workload and query.namespace is None:
        windows = find_windows(
            connection, kinds=kinds, since=since, until=until, after=after, limit=limit
        )
    rollouts: list[WorkloadRollout] = []
    if not query.kind or "workload-rollout" in query.kind:
        rollouts = find_rollouts(
            connection,
            workloads=query.workload,
            namespace=query.namespace,
            since=since,
            until=until,
            after=None if after is None else RolloutPlace(*after),
            limit=limit,
        )
    merged = heapq.merge(
        map(of_window, windows),
        map(of_rollout, rollouts),
        key=lambda one: (one.started_at, one.id),
        reverse=True,
    )
    return list(merged)[:limit]
