"""What Kubernetes told of workloads, as a table: the changes that are not the control plane's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from detector.reconciliation import WorkloadRollout
from detector.store.tables import Instant, metadata

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", sa.String, primary_key=True),
    Column("workload", sa.String, nullable=False),  # name.namespace
    Column("started_at", Instant, nullable=False),
    Column("latest", Instant, nullable=False),
    Column("reason", sa.Text, nullable=False),
    Column("events", sa.Integer, nullable=False),
    Index(None, "started_at", "id"),
)

KEEP = timedelta(days=30)
"""Of event time: as long as anybody asks what changed around an incident."""


class RolloutPlace(NamedTuple):
    """Where a rollout stands in the order of lists."""

    started_at: datetime
    id: str


def put_rollouts(connection: sa.Connection, changed: Sequence[WorkloadRollout]) -> None:
    """Write what changed, and forget what is long over; part of the worker's transaction."""
    if not changed:
        return
    end = max(one.latest for one in changed) - KEEP
    gone = sa.or_(rollouts.c.id.in_([one.id for one in changed]), rollouts.c.latest < end)
    connection.execute(sa.delete(rollouts).where(gone))
    connection.execute(sa.insert(rollouts), [msgspec.structs.asdict(one) for one in changed])


def find_rollouts(
    connection: sa.Connection,
    *,
    workloads: Collection[str] = (),
    namespace: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: RolloutPlace | None = None,
    limit: int | None = None,
) -> list[WorkloadRollout]:
    """Rollouts, the one that started last first.

    Args:
        connection: to the store.
        workloads: of one of these, name.namespace.
        namespace: of the workload.
        since: only those that went on then or later.
        until: only those that started before.
        after: only those behind this place.
        limit: at the most so many.
    """
    c = rollouts.c
    query = sa.select(rollouts).order_by(c.started_at.desc(), c.id.desc()).limit(limit)
    if workloads:
        query = query.where(c.workload.in_(workloads))
    if namespace is not None:
        query = query.where(c.workload.endswith(f".{namespace}", autoescape=True))
    if since is not None:
        query = query.where(c.latest >= since)
    if until is not None:
        query = query.where(c.started_at < until)
    if after is not None:
        query = query.where(
            sa.or_(
                c.started_at < after.started_at,
                sa.and_(c.started_at == after.started_at, c.id < after.id),
            )
        )
    return [WorkloadRollout(**row) for row in connection.execute(query).mappings()]
