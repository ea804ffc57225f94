"""``/v1/proxies`` and the timelines of incidents: what the worker keeps beside the incidents."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Request, Response
from msgspec import Meta

from detector.reconciliation import ProxyRow
from detector.store.incident_index import one_incident
from detector.store.ledger_rows import read_proxies, read_proxy
from detector.store.outbox import entries_of
from detector.timeline import Entry
from detector.web import answers, cursors, examples
from detector.web.parameters import Paged, check_none, read
from detector.web.problems import not_found
from detector.web.state import state_of

router = answers.router("ledger")

Name = Annotated[str, Meta(min_length=1, max_length=253)]


class ProxyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Proxies by name."""

    items: list[ProxyRow]
    next_page_token: str | None = None


class ProxyQuery(Paged, frozen=True):
    """Which proxies are asked for."""

    version: Annotated[Name | None, Meta(description="Connected to this version.")] = None
    istiod: Annotated[Name | None, Meta(description="Of this istiod.")] = None
    connected: Annotated[bool | None, Meta(description="Only those that are, or are not.")] = None
    q: Annotated[Name | None, Meta(description="Part of a name, node, istiod or workload.")] = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What changed when in the life of an incident, the oldest change first."""

    items: list[Entry]


@router.get(
    "/proxies",
    **answers.described(
        answer=ProxyPage, example=ProxyPage(items=[examples.PROXY]), query=ProxyQuery
    ),
)
def proxies(request: Request) -> Response:
    """The ledger: which proxy is connected to which istiod, by name."""
    query = read(request, ProxyQuery)
    after = cursors.decode(request, query.page_token, str)
    with state_of(request).store.reading() as connection:
        found = read_proxies(
            connection,
            search=query.q,
            version=query.version,
            istiod=query.istiod,
            connected=query.connected,
            after=after,
            limit=query.page_size + 1,
        )
    page = found[: query.page_size]
    if len(found) <= query.page_size:
        return answers.send(request, ProxyPage(items=page))
    token = cursors.encode(request, page[-1].name)
    link = {"Link": cursors.next_link(request, token)}
    return answers.send(request, ProxyPage(items=page, next_page_token=token), headers=link)


@router.get(
    "/proxies/{name}",
    **answers.described(
        answer=ProxyRow, example=examples.PROXY, problems={404: "There is no such proxy."}
    ),
)
def proxy(request: Request, name: str) -> Response:
    """One proxy, pod.namespace: when it was sent what, and when it took it on."""
    check_none(request)
    with state_of(request).store.reading() as connection:
        found = read_proxy(connection, name)
    if found is None:
        raise not_found("proxy", name)
    return answers.send(request, found)


@router.get(
    "/incidents/{incident_id}/timeline",
    **answers.described(
        answer=Timeline,
        example=Timeline(items=[examples.ENTRY]),
        problems={404: "There is no such incident."},
    ),
)
def timeline(request: Request, incident_id: str) -> Response:
    """What changed when in the life of an incident, the oldest change first."""
    check_none(request)
    with state_of(request).store.reading() as connection:
        known = one_incident(connection, incident_id)
        entries = entries_of(connection, incident_id)
    if known is None:
        raise not_found("incident", incident_id)
    return answers.send(request, Timeline(items=entries))
