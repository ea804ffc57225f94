"""What a batch of records says, small enough to be sent on: counts instead of lines.

A rollup worker makes a `Digest` of each batch that it reads; the worker that judges takes it in
as if it had read the batch itself. Sums of digests do not depend on the cut of the batches, so
what is judged does not either. Digests are a tenth to a hundredth of their logs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec
import polars as pl

from detector import roster
from detector.exemplars import ExemplarLog, Kind, Lines
from detector.moments import packed, unpacked
from detector.reached import reached
from detector.rejects import Place, places
from pipelines import moments, rollup, schema
from pipelines.batch import Batch
from pipelines.groups import Groups
from pipelines.parse import Parsed
from pipelines.rollup import Counts

LIMIT_BYTES = 900_000
"""Of a digest: brokers take a MiB a batch unless told otherwise."""
UNREADABLE = "no-digest"
"""Reason of a reject: not a digest of this version, or not of these buckets."""

Exemplar = tuple[Kind, Lines]


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What some consecutive records of one partition say.

    The frames are Arrow IPC under zstd. ``at_end`` tells that nothing was left to read behind
    them when they were read; a digest of no records at all tells that it is still so.
    """

    version: Literal[1] = 1
    topic: str
    partition: int
    first_offset: int
    next_offset: int
    at_end: bool
    bucket_s: int
    reached: datetime | None = None
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    places: list[Place] = msgspec.field(default_factory=list)
    exemplars: list[Exemplar] = msgspec.field(default_factory=list)
    events: bytes = b""
    writers: bytes = b""
    traffic: bytes = b""
    moments: bytes = b""
    buckets: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What became of a batch, whoever read it.

    Attributes:
        counts: as `pipelines.parse.Parsed` has them.
        events: `pipelines.schema.CONTROL`.
        sums: of the access log entries.
        writers: as `detector.roster.writers` gives them.
        reached: the event time that the batch reached.
        places: the first rejects of other readers.
        exemplars: what other readers kept.
        rejects: `pipelines.schema.REJECTS` of the batch itself.
        heads: the digests, without what they hold; none when the batch was read here.
    """

    counts: dict[str, int]
    events: pl.DataFrame
    sums: Counts
    writers: pl.DataFrame
    reached: datetime | None
    places: Sequence[Place] = ()
    exemplars: Sequence[Exemplar] = ()
    rejects: pl.DataFrame = field(default_factory=lambda: schema.empty(schema.REJECTS))
    heads: Sequence[Digest] = ()


def heard(parsed: Parsed, bucket_s: int) -> Heard:
    """What was parsed here."""
    return Heard(
        counts=parsed.counts,
        events=parsed.control,
        sums=rollup.counted(parsed.access, bucket_s),
        writers=roster.writers(parsed.access),
        reached=reached(parsed.access["time"], parsed.control["time"]),
        rejects=parsed.rejects,
    )


def digests(
    batch: Batch, parsed: Parsed, exemplars: ExemplarLog, *, bucket_s: int, at_end: bool
) -> list[bytes]:
    """A batch as digests of at most `LIMIT_BYTES`: one, unless it is a hostile one.

    Args:
        batch: what was read.
        parsed: what became of it.
        exemplars: with nothing in it but what this batch gave.
        bucket_s: length of the buckets in which entries are counted.
        at_end: whether nothing was left to read behind it.
    """
    head = Digest(
        topic=batch.topic,
        partition=batch.partition,
        first_offset=batch.first_offset,
        next_offset=batch.next_offset,
        at_end=at_end,
        bucket_s=bucket_s,
        reached=reached(parsed.access["time"], parsed.control["time"]),
        counts=parsed.counts,
        places=places(batch, parsed.rejects),
    )
    return list(_pieces(head, parsed.access, parsed.control, exemplars.kept()))


def _pieces(
    head: Digest, access: pl.DataFrame, events: pl.DataFrame, exemplars: Sequence[Exemplar]
) -> Iterator[bytes]:
    """Halves of what is too large, until nothing is; a line is far shorter than the limit."""
    whole = _encoded(head, access, events, exemplars)
    largest = max(len(access), len(events), len(exemplars))
    if len(whole) <= LIMIT_BYTES or largest < 2:
        yield whole
        return
    rest = msgspec.structs.replace(head, counts={}, places=[])
    for part, half in ((head, slice(None, largest // 2)), (rest, slice(largest // 2, None))):
        yield from _pieces(part, access[half], events[half], exemplars[half])


def _encoded(
    head: Digest, access: pl.DataFrame, events: pl.DataFrame, exemplars: Sequence[Exemplar]
) -> bytes:
    sums = rollup.counted(access, head.bucket_s)
    whole = msgspec.structs.replace(
        head,
        exemplars=list(exemplars),
        events=packed(events),
        writers=packed(roster.writers(access)),
        traffic=packed(_summed(sums.traffic, rollup.COUNTED)),
        moments=packed(_summed(sums.moments, moments.KEYS)),
        buckets=packed(sums.buckets),
    )
    return msgspec.msgpack.encode(whole)


def received(batch: Batch, bucket_s: int) -> Heard:
    """What the digests of a batch say together; what is none of ours is a reject."""
    nothing = heard(_NOTHING, bucket_s)
    frames = [(nothing.events, nothing.writers, *nothing.sums)]
    schemas = [frame.schema for frame in frames[0]]
    heads: list[Digest] = []
    counts: Counter[str] = Counter()
    rejects: list[tuple[int, str, str]] = []
    for ordinal, value in enumerate(batch.values):
        try:
            one = msgspec.msgpack.decode(value or b"", type=Digest)
            if one.bucket_s != bucket_s:
                raise ValueError(f"buckets of {one.bucket_s} s, and {bucket_s} s are judged here")
            parts = _unpacked(one)
            if [frame.schema for frame in parts] != schemas:
                raise ValueError("frames of other columns")
            frames.append(parts)
        except (msgspec.MsgspecError, pl.exceptions.PolarsError, ValueError) as error:
            counts[f"reject/{UNREADABLE}"] += 1
            rejects.append((ordinal, UNREADABLE, str(error)[:200]))
            continue
        heads.append(one)
        counts.update(one.counts)
    events, writers, traffic, errors, buckets = map(pl.concat, zip(*frames, strict=True))
    return Heard(
        counts=dict(counts),
        events=events,
        sums=Counts(traffic, errors, _joined(buckets)),
        writers=roster.joined(writers),
        reached=max((one.reached for one in heads if one.reached), default=None),
        places=[place for one in heads for place in one.places],
        exemplars=[kept for one in heads for kept in one.exemplars],
        rejects=pl.DataFrame(rejects, schema=schema.REJECTS, orient="row"),
        heads=heads,
    )


_NOTHING = Parsed(
    access=schema.empty(schema.ACCESS),
    control=schema.empty(schema.CONTROL),
    rejects=schema.empty(schema.REJECTS),
    counts={},
)


def _joined(buckets: pl.DataFrame) -> pl.DataFrame:
    """What digests say of one and the same bucket, as one."""
    return buckets.group_by("bucket").agg(
        pl.col("count").sum(), pl.col("newest").max(), pl.col("own").sum()
    )


def _summed(table: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    groups = Groups(keys, max_names=max(1, len(table)))
    groups.add(table)
    summed = groups.summed()
    return table if summed is None else summed


def _unpacked(digest: Digest) -> _Frames:
    """Events, writers, traffic, moments and buckets."""
    parts = (digest.events, digest.writers, digest.traffic, digest.moments, digest.buckets)
    events, writers, traffic, errors, buckets = (unpacked(one) for one in parts)
    return events, writers, traffic, errors, buckets


_Frames = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]
