"""The baselines as a table, and the services that they are of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.engine.baselines import Baseline, BaselineRows
from detector.store.impact import incident_shares
from detector.store.tables import Instant, metadata
from detector.types import Series

series = Table(
    "series",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("destination", sa.String, nullable=False),
    Column("source", sa.String, nullable=False),
    Column("signal", sa.String, nullable=False),
    Column("reporter", sa.String, nullable=False),
    Column("namespaces", sa.String, nullable=False),  # " of the service, of the source "
    Column("since", Instant, nullable=False),
    Column("settles_at", Instant, nullable=False),
    Column("judged", sa.Boolean, nullable=False),
    Column("counted", sa.Boolean, nullable=False),
    Column("rate", sa.Float, nullable=False),
    Index(None, "destination", "source", "signal", "reporter"),
    Index(None, "source"),
)

CHUNK = 5_000  # rows a statement, so that no statement grows with the mesh


class SeriesRow(NamedTuple):
    """A baseline under its id."""

    id: str
    baseline: Baseline


class Known(NamedTuple):
    """What is known of a service."""

    series: int
    sources: int
    learning: int  # series that are not judged like any other yet
    since: datetime  # of the oldest


def series_id(one: Series) -> str:
    """The name of a series in addresses; the same in every store."""
    return blake2b("\n".join(one).encode(), digest_size=8).hexdigest()


def put_series(connection: sa.Connection, rows: BaselineRows) -> None:
    """Write what changed and delete what is gone; part of the worker's transaction."""
    if rows.whole:
        connection.execute(sa.delete(series))
    else:
        stale = [*rows.gone, *(one.series for one in rows.changed)]
        keys = [{"gone": series_id(one)} for one in stale]
        statement = sa.delete(series).where(series.c.id == sa.bindparam("gone"))
        for first in range(0, len(keys), CHUNK):
            connection.execute(statement, keys[first : first + CHUNK])
    for first in range(0, len(rows.changed), CHUNK):
        some = rows.changed[first : first + CHUNK]
        connection.execute(sa.insert(series), [_row(one) for one in some])


def find_series(
    connection: sa.Connection,
    *,
    service: Collection[str] = (),
    source: Collection[str] = (),
    signal: Collection[str] = (),
    namespace: str | None = None,
    learning_at: tuple[bool, datetime] | None = None,
    text: str | None = None,
    after: Series | None = None,
    limit: int | None = None,
) -> list[SeriesRow]:
    """Baselines by service, source, signal and reporter.

    Args:
        connection: to the store.
        service: of one of these.
        source: one of these calls.
        signal: one of these.
        namespace: of the service or of the source.
        learning_at: only those that are, or are not, still being learnt at a time.
        text: part of the name of service or source.
        after: only those behind this one.
        limit: at the most so many.
    """
    c = series.c
    place = (c.destination, c.source, c.signal, c.reporter)
    query = sa.select(series).order_by(*place).limit(limit)
    for column, names in ((c.destination, service), (c.source, source), (c.signal, signal)):
        if names:
            query = query.where(column.in_(names))
    if namespace is not None:
        query = query.where(c.namespaces.contains(f" {namespace} ", autoescape=True))
    if learning_at is not None:
        wanted, now = learning_at
        query = query.where(_learning(now) if wanted else sa.not_(_learning(now)))
    if text is not None:
        parts = (c.destination, c.source)
        query = query.where(sa.or_(*(one.contains(text, autoescape=True) for one in parts)))
    if after is not None:
        last = (after.destination, after.source, after.signal, after.reporter)
        query = query.where(sa.tuple_(*place) > last)
    return [_of_row(row) for row in connection.execute(query)]


def usual_of(connection: sa.Connection, service: str, limit: int) -> list[SeriesRow]:
    """The baselines of a service, the one that fails most often first."""
    c = series.c
    query = sa.select(series).where(c.destination == service).limit(limit)
    order = (c.rate.desc(), c.source, c.signal, c.reporter)
    return [_of_row(row) for row in connection.execute(query.order_by(*order))]


def one_series(connection: sa.Connection, name: str) -> SeriesRow | None:
    """One baseline by its id; None if unknown."""
    row = connection.execute(sa.select(series).where(series.c.id == name)).one_or_none()
    return None if row is None else _of_row(row)


def find_services(
    connection: sa.Connection, *, text: str | None, after: str | None, limit: int
) -> list[str]:
    """Services with a baseline or an incident, by host; those behind ``after`` only."""
    found: set[str] = set()
    for column in (series.c.destination, incident_shares.c.service):
        query = sa.select(column).distinct().where(column != "*").order_by(column).limit(limit)
        if text is not None:
            query = query.where(column.contains(text, autoescape=True))
        if after is not None:
            query = query.where(column > after)
        found.update(connection.scalars(query))
    return sorted(found)[:limit]


def known_of(
    connection: sa.Connection, services: Collection[str], now: datetime
) -> dict[str, Known]:
    """What is known of services, of those that have a baseline."""
    c = series.c
    query = (
        sa.select(
            c.destination,
            sa.func.count(),
            sa.func.count(c.source.distinct()),
            sa.func.sum(sa.case((_learning(now), 1), else_=0)),
            sa.func.min(c.since),
        )
        .where(c.destination.in_(services))
        .group_by(c.destination)
    )
    return {row[0]: Known(*row[1:]) for row in connection.execute(query)}


def _learning(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(sa.not_(series.c.judged), series.c.settles_at > now)


def _row(one: Baseline) -> dict[str, Any]:
    return {
        "id": series_id(one.series),
        **one.series._asdict(),
        "namespaces": f" {' '.join(_namespaces(one.series))} ",
        "since": one.since,
        "settles_at": one.settles_at,
        "judged": one.judged,
        "counted": one.counted,
        "rate": one.rate,
    }


def _namespaces(one: Series) -> Iterator[str]:
    """Of a host ("cart.shop.svc.cluster.local:80") and of a workload ("web.shop")."""
    for name in (one.destination, one.source):
        parts = name.partition(":")[0].split(".")
        yield parts[1] if len(parts) > 1 else "-"


def _of_row(row: sa.Row[Any]) -> SeriesRow:
    baseline = Baseline(
        series=Series(row.reporter, row.source, row.destination, row.signal),
        since=row.since,
        settles_at=row.settles_at,
        judged=row.judged,
        counted=row.counted,
        rate=row.rate,
    )
    return SeriesRow(row.id, baseline)
