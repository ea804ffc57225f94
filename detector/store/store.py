"""What outlives a process: incidents, windows, state and read positions, one commit a step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from detector import clock, documents
from detector.conditions import Condition
from detector.documents import IncidentDocument
from detector.engine.baselines import BaselineRows
from detector.errors import StoreError
from detector.missed import Miss
from detector.reconciliation import LedgerRows, Mark
from detector.settings import StoreSettings
from detector.store import rows, tables
from detector.store.conditions import put_conditions, read_conditions
from detector.store.database import connect, lock_tables, marked_reading, our_errors
from detector.store.feedback import count_held_back
from detector.store.impact import put_details, put_shares
from detector.store.incident_index import put_names
from detector.store.lease import Lease, acquire, release, renew, this_process
from detector.store.ledger_rows import write_ledger
from detector.store.marks import read_marks
from detector.store.migrate import migrate
from detector.store.misses import untold_misses
from detector.store.outbox import entries_of, put_entries, put_notices, told_of
from detector.store.people import Wishes, read_wishes
from detector.store.rollout_rows import put_rollouts
from detector.store.series_rows import put_series
from detector.timeline import Entry, Notice
from detector.types import Cause, Incident, Status, Window


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of the worker changed; what it does not name stays as it is."""

    incidents: Sequence[Incident] = ()
    windows: Sequence[Window] = ()
    states: Mapping[str, bytes] = field(default_factory=dict)  # bank, rollup, ledger, book
    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)  # next to read
    rejects: Mapping[str, int] = field(default_factory=dict)  # by reason, new in this step
    ledger: LedgerRows | None = None  # proxies and istiods that changed
    baselines: BaselineRows | None = None  # series whose normal changed
    conditions: Sequence[Condition] = ()  # of the input, that changed
    entries: Sequence[Entry] = ()  # of the incidents' timelines
    notices: Sequence[Notice] = ()  # to be told; of incidents that are in this step or before
    foreseen: Mapping[str, int] = field(default_factory=dict)  # alarms, by expected incident
    details: Mapping[str, bytes] = field(default_factory=dict)  # by incident, detector.details
    time: datetime | None = None  # event time up to which everything is decided
    first: datetime | None = None  # event time at which judging began


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the last committed step left off."""

    steps: int
    time: datetime | None
    states: Mapping[str, bytes]
    offsets: Mapping[tuple[str, int], int]
    rejects: Mapping[str, int]  # totals


class Store:
    """The one writer's handle on a store.

    Memory is a cache of the store: when `commit` raises, nothing of the step was written, and
    the process should end and be started again from `load`. For one thread.
    """

    def __init__(self, engine: sa.Engine, held: Lease, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._lease = held
        self._now = now
        self._where = engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        settings: StoreSettings | None = None,
        owner: str | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> Store:
        """Open the store at ``url``, make or migrate its tables, and become its only writer.

        Raises:
            StoreBusyError: another process holds it.
            StoreError: it cannot be used; the class and the message say why.
        """
        settings = settings or StoreSettings()
        engine = connect(url, busy_timeout_s=settings.busy_timeout_s)
        try:
            with our_errors(engine), engine.begin() as connection:
                lock_tables(connection)
                migrate(connection)
                held = acquire(
                    connection,
                    owner=owner or this_process(),
                    length=timedelta(seconds=settings.lease_s),
                    now=now(),
                    where=engine.url.render_as_string(hide_password=True),
                )
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, held, now)

    def commit(self, step: Step) -> None:
        """Write all of ``step``, or nothing, in one transaction that renews the lease.

        Raises:
            LeaseLostError: another process took over.
            StoreError: it could not be written; the class and the message say why.
        """
        with our_errors(self._engine), self._engine.begin() as connection:
            renew(connection, self._lease, now=self._now(), where=self._where)
            number = rows.next_step(connection)
            changed = rows.put_incidents(connection, step.incidents, number)
            put_names(connection, changed)
            put_shares(connection, changed)
            put_details(connection, step.details)
            put_entries(connection, step.entries)
            put_notices(connection, step.notices, self._now())
            rows.put_windows(connection, step.windows, number)
            rows.put(
                connection,
                tables.states,
                ({"name": name, "body": body} for name, body in step.states.items()),
            )
            rows.put(
                connection,
                tables.offsets,
                (
                    {"topic": topic, "partition": partition, "next_offset": next_offset}
                    for (topic, partition), next_offset in step.offsets.items()
                ),
            )
            rows.add_rejects(connection, step.rejects)
            count_held_back(connection, step.foreseen)
            put_conditions(connection, step.conditions, number)
            if step.ledger is not None:
                write_ledger(connection, step.ledger)
                put_rollouts(connection, step.ledger.rollouts)
            if step.baselines is not None:
                put_series(connection, step.baselines)
            rows.count_step(connection, step.time, step.first)

    def renew(self) -> None:
        """Keep the lease while there is nothing to commit.

        Raises:
            LeaseLostError: another process took over.
        """
        with our_errors(self._engine), self._engine.begin() as connection:
            renew(connection, self._lease, now=self._now(), where=self._where)

    def load(self) -> Snapshot | None:
        """What the last committed step left; None when there was none yet."""
        with self._reading() as connection:
            progress = connection.execute(sa.select(tables.progress)).one_or_none()
            if progress is None:
                return None
            return Snapshot(
                steps=progress.steps,
                time=progress.time,
                states={row.name: row.body for row in connection.execute(sa.select(tables.states))},
                offsets={
                    (row.topic, row.partition): row.next_offset
                    for row in connection.execute(sa.select(tables.offsets))
                },
                rejects={
                    # a row is a tuple, which has a count of its own
                    row.reason: row[1]
                    for row in connection.execute(
                        sa.select(tables.rejects.c.reason, tables.rejects.c["count"])
                    )
                },
            )

    def incidents(
        self,
        *,
        status: Collection[Status] | None = None,
        cause: Cause | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[IncidentDocument]:
        """Incidents, the latest start first.

        Args:
            status: only those in one of these states.
            cause: only those attributed to it.
            since: only those that had not ended by then.
            until: only those that started before.
            limit: at the most so many.
        """
        table = tables.incidents
        query = sa.select(table.c.document).order_by(table.c.started_at.desc(), table.c.id)
        if status is not None:
            query = query.where(table.c.status.in_(status))
        if cause is not None:
            query = query.where(table.c.cause == cause)
        if since is not None:
            query = query.where(sa.or_(table.c.ended_at.is_(None), table.c.ended_at >= since))
        if until is not None:
            query = query.where(table.c.started_at < until)
        with self._reading() as connection:
            return [documents.decode(text) for text in connection.scalars(query.limit(limit))]

    def incident(self, incident_id: str) -> tuple[IncidentDocument, int] | None:
        """One incident and its revision (how often it was written); None if unknown."""
        table = tables.incidents
        query = sa.select(table.c.document, table.c.revision).where(table.c.id == incident_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (documents.decode(row.document), row.revision)

    def timeline(self, incident_id: str) -> list[Entry]:
        """What changed when in the life of an incident, the oldest change first."""
        with self._reading() as connection:
            return entries_of(connection, incident_id)

    def windows(self, *, since: datetime | None = None) -> list[Window]:
        """Reconciliation windows by start; with ``since``, those that had not ended by then."""
        table = tables.windows
        query = sa.select(table.c.document).order_by(table.c.started_at, table.c.id)
        if since is not None:
            query = query.where(sa.or_(table.c.ended_at.is_(None), table.c.ended_at >= since))
        with self._reading() as connection:
            return [msgspec.json.decode(text, type=Window) for text in connection.scalars(query)]

    def conditions(self) -> list[Condition]:
        """What is wrong with the input at present."""
        with self._reading() as connection:
            return read_conditions(connection)

    def marks(self, *, since: datetime) -> list[Mark]:
        """The changes that people announced and that had not ended by then."""
        with self._reading() as connection:
            return read_marks(connection, since)

    def wishes(self) -> Wishes:
        """What people want to hear of, and what they expect."""
        with self._reading() as connection:
            return read_wishes(connection, self._now())

    def misses(self) -> list[Miss]:
        """Faults that people say were missed and that no step has told of."""
        with self._reading() as connection:
            return untold_misses(connection)

    def told(self, incidents: Collection[str]) -> set[str]:
        """Those of these incidents that a notice was written of before."""
        with self._reading() as connection:
            return told_of(connection, incidents)

    def close(self) -> None:
        """Release the lease and let go of the database; may be called twice.

        Never raises: a lease that cannot be released expires by itself.
        """
        with suppress(StoreError), our_errors(self._engine), self._engine.begin() as connection:
            release(connection, self._lease, now=self._now())
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        engine = marked_reading(self._engine)
        with our_errors(engine), engine.begin() as connection:
            yield connection
