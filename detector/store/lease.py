"""Who may write the store: a lease with a fencing token, kept in the store itself.

The epoch rises with every change of hands. A holder's every transaction renews the lease under
its epoch, so one who slept through his expiry finds the epoch gone and can write nothing.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from detector.errors import LeaseLostError, StoreBusyError
from detector.store.tables import lease

WRITER = 1
NOTIFIER = 2
"""Rows of the table: one a role, so that a store has one worker and one notifier."""

NOBODY = ""
"""Owner of a lease that was let go of; one that ran out keeps the name of who had it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A turn at writing: ``epoch`` is the fencing token."""

    owner: str
    epoch: int
    length: timedelta
    role: int = WRITER


class Holder(NamedTuple):
    """Who has the lease, as it stands in the store."""

    owner: str
    epoch: int
    expires_at: datetime


def holder(connection: sa.Connection) -> Holder | None:
    """Who writes, or wrote last; None when nobody ever did."""
    row = connection.execute(sa.select(lease).where(lease.c.id == WRITER)).one_or_none()
    return None if row is None else Holder(row.owner, row.epoch, row.expires_at)


def this_process() -> str:
    """The owner's name as other processes shall read it."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def acquire(
    connection: sa.Connection,
    *,
    owner: str,
    length: timedelta,
    now: datetime,
    where: str,
    role: int = WRITER,
) -> Lease:
    """Take the lease if it is free or expired; part of the caller's transaction.

    Raises:
        StoreBusyError: somebody holds it.
    """
    query = sa.select(lease).where(lease.c.id == role).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is not None and row.expires_at > now:
        raise StoreBusyError(
            f"is held by {row.owner} since {row.since:%Y-%m-%d %H:%M:%S} UTC",
            where=where,
            advice="Stop that process, set store.url to another store, or wait: if it has died, "
            f"the store is free at {row.expires_at:%H:%M:%S} UTC",
        )
    taken = Lease(owner, 1 if row is None else row.epoch + 1, length, role)
    values = {"owner": owner, "epoch": taken.epoch, "since": now, "expires_at": now + length}
    if row is None:
        connection.execute(sa.insert(lease).values(id=role, **values))
    else:
        connection.execute(sa.update(lease).where(lease.c.id == role).values(**values))
    return taken


def renew(connection: sa.Connection, held: Lease, *, now: datetime, where: str) -> None:
    """Extend ``held``; the first statement of each of its transactions.

    Raises:
        LeaseLostError: somebody else took it; the transaction must be given up.
    """
    renewed = connection.execute(_mine(held).values(expires_at=now + held.length))
    if renewed.rowcount == 0:
        owner = connection.scalar(sa.select(lease.c.owner).where(lease.c.id == held.role))
        raise LeaseLostError(
            f"was taken over by {owner} after this process was silent for too long",
            where=where,
            advice="Start again to stand by; nothing is lost, the other process goes on",
        )


def release(connection: sa.Connection, held: Lease, *, now: datetime) -> None:
    """Let the next one in at once; without effect when the lease is lost already."""
    connection.execute(_mine(held).values(owner=NOBODY, expires_at=now))


def _mine(held: Lease) -> sa.Update:
    return sa.update(lease).where(
        lease.c.id == held.role, lease.c.owner == held.owner, lease.c.epoch == held.epoch
    )
