"""Counts per series and bucket, by event time, whatever the order of the lines."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

import msgspec
import polars as pl

from pipelines.aliases import Aliases
from pipelines.closing import Closed, name_closed, nothing
from pipelines.groups import MAX_NAMES, Groups
from pipelines.moments import Moments, canonical, of_errors
from pipelines.normalise import signal_expr
from pipelines.routes import BOOTSTRAP, PROBE_PORT, ROUTE, with_route

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COUNTED = ("bucket", *ROUTE, "response_code", "response_flags")


class Counts(NamedTuple):
    """What a rollup keeps of access log entries: sums, which add up in any order and cut."""

    traffic: pl.DataFrame
    """`COUNTED` and ``count``, a key in several rows or in one; a count of 0 says nothing."""
    moments: pl.DataFrame
    """`pipelines.moments.KEYS` and ``count``, likewise, of the failures."""
    buckets: pl.DataFrame
    """``bucket``, ``count`` of the mesh's entries and ``newest`` (us) of them, ``own``."""


def counted(access: pl.DataFrame, bucket_s: int) -> Counts:
    """Count access log entries (``schema.ACCESS``) by buckets of event time."""
    number = pl.col("time").dt.epoch("us") // (bucket_s * 1_000_000)
    failed = (pl.col("response_flags") != "-") | (pl.col("response_code") >= 400)
    own = pl.col("cluster").is_in(BOOTSTRAP) | pl.col("local").str.ends_with(PROBE_PORT)
    lines = (
        with_route(access.lazy().with_columns(number.alias("bucket"), failed.alias("failed")))
        .with_columns(own.fill_null(value=False).alias("own"))
        .collect()
    )
    buckets = lines.group_by("bucket").agg(
        (~pl.col("own")).sum().cast(pl.Int64).alias("count"),
        pl.col("time").filter(~pl.col("own")).dt.epoch("us").max().alias("newest"),
        pl.col("own").sum().cast(pl.Int64),
    )
    traffic = _only(lines, ~lines["own"])
    loud = canonical(traffic.filter("failed"))
    signal = signal_expr(pl.col("response_code"), pl.col("response_flags"))
    # Failures weigh nothing in the first: cheaper than a copy of all columns without them.
    parts = (
        traffic.select(*COUNTED, count=(~pl.col("failed")).cast(pl.Int64)),
        loud.select(*COUNTED, count=pl.lit(1, pl.Int64)),
    )
    return Counts(pl.concat(parts), of_errors(loud.filter(signal.is_not_null())), buckets)


class _State(msgspec.Struct):
    """What a snapshot holds."""

    width: int
    next: int | None
    groups: bytes
    moments: bytes
    levels: dict[int, int]
    open: dict[int, tuple[int, int]]
    aliases: Aliases
    dropped: tuple[int, int, int]
    folded: int = 0


class Rollup:
    """Counts access log entries until their bucket closes, and only then names the parties.

    Lines may come in any order, in batches of any size. Names (authority -> service) are
    learned from whole buckets in order of time, so the output depends on neither, as long as
    no line comes after its bucket closed.

    Attributes:
        late: entries that came after their bucket had closed; they are dropped.
        ahead: entries dropped because their clock ran more than ``max_ahead`` before the others.
        bootstrap: entries of proxies' own clusters and health checks; they are dropped.
    """

    def __init__(
        self,
        bucket_s: int = 10,
        lateness_s: float = 10.0,
        max_ahead: timedelta = timedelta(hours=1),
        max_names: int = MAX_NAMES,
    ) -> None:
        self._width = bucket_s * 1_000_000
        self._lateness = timedelta(seconds=lateness_s)
        self._max_ahead = max_ahead // timedelta(microseconds=self._width)
        self._next: int | None = None  # the first bucket that is not closed
        self._groups = Groups(COUNTED, max_names)
        self._moments = Moments(max_names=max_names)
        self._open: dict[int, tuple[int, int]] = {}  # bucket -> entries, time of the newest
        self._aliases = Aliases()
        self.late = self.ahead = self.bootstrap = 0

    def add(self, access: pl.DataFrame) -> None:
        """Count access log entries (``schema.ACCESS``)."""
        self.merge(counted(access, self._width // 1_000_000))

    def merge(self, counts: Counts) -> None:
        """Take in what was counted elsewhere, in buckets of the same length."""
        traffic, moments, buckets = counts
        if self._next is not None and (buckets["bucket"] < self._next).any():
            still = pl.col("bucket") >= self._next
            late = buckets.filter(~still)
            self.late += int(late.select(pl.sum_horizontal("count", "own").sum()).item())
            traffic, moments, buckets = (one.filter(still) for one in counts)
        self.bootstrap += int(buckets["own"].sum())
        for bucket, count, newest, _ in buckets.filter(pl.col("count") > 0).iter_rows():
            before, latest = self._open.get(bucket, (0, newest))
            self._open[bucket] = (before + count, max(latest, newest))
        self._groups.add(traffic)
        self._moments.add(moments)

    @property
    def folded(self) -> int:
        """Names beyond what is kept per bucket (``groups.MAX_NAMES``): theirs are "unknown"."""
        return self._groups.folded

    @property
    def watermark(self) -> datetime | None:
        """Up to where buckets may be closed now; None before the first entry.

        That is ``lateness_s`` before the newest entry. Entries whose clock runs more than
        ``max_ahead`` before the median of the open ones do not count: a single one of those
        must not close the buckets of all others.
        """
        if not self._open:
            return None
        buckets = sorted(self._open)
        sums = list(accumulate(self._open[bucket][0] for bucket in buckets))
        middle = buckets[bisect_left(sums, sums[-1] / 2)]
        newest = max(bucket for bucket in buckets if bucket <= middle + self._max_ahead)
        return _EPOCH + timedelta(microseconds=self._open[newest][1]) - self._lateness

    def close(self, watermark: datetime) -> Closed:
        """Close the buckets that end at or before ``watermark`` and name what they hold.

        Args:
            watermark: no entry that ended earlier is expected any more. Never moves back.
        """
        since = (watermark - _EPOCH) // timedelta(microseconds=1)
        upto = since // self._width
        self._next = upto if self._next is None else max(upto, self._next)
        still = range(self._next, upto + self._max_ahead + 1)
        if all(bucket in still for bucket in self._open):
            return nothing()
        self.ahead += self._groups.drop(upto + self._max_ahead)
        self._moments.groups.drop(upto + self._max_ahead)
        self._open = {bucket: seen for bucket, seen in self._open.items() if bucket in still}
        counts, moments = self._groups.take(self._next), self._moments.take(self._next)
        return name_closed(counts, moments, self._aliases, self._width)

    def snapshot(self) -> bytes:
        """All state, so that :meth:`restore` goes on exactly here."""
        state = _State(
            width=self._width,
            next=self._next,
            groups=self._groups.snapshot(),
            moments=self._moments.groups.snapshot(),
            levels=self._moments.levels,
            open=self._open,
            aliases=self._aliases,
            dropped=(self.late, self.ahead, self.bootstrap),
            folded=self._groups.folded,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take on the state of a snapshot.

        Raises:
            ValueError: ``state`` is no snapshot, or of buckets of another length.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
            if saved.width != self._width:
                raise ValueError(f"buckets of {saved.width} us, not {self._width} us")
            self._groups.restore(saved.groups)
            self._moments.groups.restore(saved.moments)
        except (msgspec.MsgspecError, pl.exceptions.PolarsError) as error:
            raise ValueError(f"not a rollup's snapshot: {error}") from error
        self._next = saved.next
        self._moments.levels = saved.levels
        self._open = saved.open
        self._aliases = saved.aliases
        self.late, self.ahead, self.bootstrap = saved.dropped
        self._groups.folded = saved.folded


def _only(lines: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """``lines.filter(wanted)``, without a copy when all are wanted."""
    return lines if wanted.all() else lines.filter(wanted)
