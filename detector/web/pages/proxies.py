"""``/proxies``: the ledger. Who is connected to which istiod since when, and who is stale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from detector.reconciliation import ProxyRow, Stale, newest_version, stale
from detector.report.phrases import clean
from detector.store.ledger_rows import read_istiods, read_proxies, read_proxy
from detector.web import cursors
from detector.web.pages.forms import read_form
from detector.web.pages.html import PageRoute, page
from detector.web.pages.pulse import take_pulse
from detector.web.parameters import Paged
from detector.web.problems import not_found
from detector.web.state import state_of

router = APIRouter(route_class=PageRoute)

Name = Annotated[str, Meta(max_length=253)]


class ProxyQuery(Paged, frozen=True):
    """Which proxies are shown."""

    q: Annotated[Name | None, Meta(description="Part of a pod, workload, node or istiod.")] = None
    version: Annotated[Name | None, Meta(description="Of the control plane.")] = None
    istiod: Annotated[Name | None, Meta(description="Connected to this one.")] = None
    stale: Annotated[bool | None, Meta(description="Only those that lack what they should.")] = None


@dataclass(frozen=True, slots=True)
class Told:
    """A proxy with what is wrong with it."""

    proxy: ProxyRow
    stale: Stale | None
    old: bool  # connected to another control plane than the newest

    @property
    def pushed_at(self) -> datetime | None:
        """When it was last sent something."""
        return max(self.proxy.pushed.values(), default=None)

    @property
    def acked_at(self) -> datetime | None:
        """When it last took on something."""
        return max(self.proxy.acked.values(), default=None)


@router.get("/proxies")
def proxies(request: Request) -> Response:
    """The ledger, searched and page by page."""
    request, query = read_form(request, ProxyQuery)
    state = state_of(request)
    after = cursors.decode(request, query.page_token, str)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        istiods = read_istiods(connection)
        found = read_proxies(connection, search=query.q, version=query.version, istiod=query.istiod)
    newest = newest_version(istiods)
    told = [_told(one, newest, pulse.as_of) for one in found]
    late = sum(one.stale is not None for one in told)
    if query.stale:
        told = [one for one in told if one.stale is not None]
    behind = [one for one in told if after is None or one.proxy.name > after]
    shown = behind[: query.page_size]
    older = None
    if len(behind) > len(shown):
        older = cursors.next_page(request, cursors.encode(request, shown[-1].proxy.name))
    return page(
        request,
        "proxies",
        pulse=pulse,
        query=query,
        listed=shown,
        count=len(told),
        versions=_versions(found),
        late=late,
        newest=newest,
        istiods=istiods,
        older=older,
        first=query.page_token is None,
        filtered=any(name != cursors.PAGE_TOKEN for name in request.query_params),
    )


@router.get("/proxies/{name}")
def proxy(request: Request, name: str) -> Response:
    """One proxy: when it was sent what, and when it took it on."""
    state = state_of(request)
    with state.store.reading() as connection:
        pulse = take_pulse(connection, state.settings)
        istiods = read_istiods(connection)
        found = read_proxy(connection, name)
    if found is None:
        raise not_found("proxy", name)
    kinds = sorted({*found.pushed, *found.acked})
    return page(
        request,
        "proxy",
        pulse=pulse,
        told=_told(found, newest_version(istiods), pulse.as_of),
        kinds=[(kind, found.pushed.get(kind), found.acked.get(kind)) for kind in kinds],
        newest=newest_version(istiods),
    )


def _told(one: ProxyRow, newest: str | None, now: datetime) -> Told:
    old = newest is not None and one.version not in {None, newest}
    return Told(one, stale(one, now), old)


def _versions(found: Sequence[ProxyRow]) -> list[tuple[str, int]]:
    """The versions of the control plane and how many proxies each has, most first."""
    counts = Counter(one.version or "an unknown version" for one in found)
    return [(clean(version, 40), n) for version, n in counts.most_common(6)]
