"""What is judged does not depend on who read the lines."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.digest import LIMIT_BYTES, UNREADABLE, Digest, digests
from detector.exemplars import ExemplarLog
from detector.settings import Settings
from detector.worker import Worker
from pipelines.batch import Batch
from pipelines.parse import Parser
from tests.detector.test_worker import ACCESS, SETTINGS, SLOW, add_control, batch, told

BUCKET_S = SETTINGS.detection.bucket_s


def forwarded(read: Batch, parser: Parser, *, at_end: bool = False) -> list[bytes]:
    """What a rollup worker makes of a batch."""
    parsed = parser.parse(read)
    exemplars = ExemplarLog(SETTINGS.redaction)
    exemplars.add(read, parsed.access)
    return digests(read, parsed, exemplars, bucket_s=BUCKET_S, at_end=at_end)


def rollups(values: list[bytes]) -> Batch:
    return batch("access.rollups", "rollups", 0, values)


def test_an_incident_is_the_same_whether_lines_or_their_digests_are_judged() -> None:
    direct, relayed = Worker(Settings()), Worker(Settings())
    add_control(direct)
    add_control(relayed)
    parser = Parser()
    reached: list[datetime] = []
    for start, end in pairwise(range(0, len(ACCESS) + 1, 2_000)):
        read = batch("access", "access", start, ACCESS[start:end])
        times = [direct.add(read), relayed.add(rollups(forwarded(read, parser)))]
        assert times[0] == times[1]
        reached += [time for time in times[:1] if time]
        direct.advance(max(reached))
        relayed.advance(max(reached))

    assert relayed.counts == direct.counts
    assert relayed.pods == direct.pods
    expected = told(direct)
    assert told(relayed) == expected
    assert expected[0]["exemplars"]


@pytest.mark.no_cover
@SLOW
@given(st.lists(st.integers(1, len(ACCESS) - 1), max_size=6), st.integers(0, 100))
def test_digests_add_up_in_any_cut_and_any_order(cuts: list[int], seed: int) -> None:
    whole = Worker(Settings())
    whole.add(batch("access", "access", 0, ACCESS))
    edges = sorted({0, len(ACCESS), *cuts})
    parser = Parser()
    pieces = [
        one
        for start, end in pairwise(edges)
        for one in forwarded(batch("access", "access", start, ACCESS[start:end]), parser)
    ]
    random.Random(seed).shuffle(pieces)
    joined = Worker(Settings())
    joined.add(rollups(pieces))

    assert joined.counts == whole.counts
    assert told(joined) == told(whole)


def test_a_digest_is_much_smaller_than_its_lines() -> None:
    (one,) = forwarded(batch("access", "access", 0, ACCESS[:10_000]), Parser())

    assert len(one) < sum(map(len, ACCESS[:10_000])) / 10


def test_a_digest_tells_which_records_it_is_of_and_whether_more_are_left() -> None:
    read = replace(batch("access", "access", 40, ACCESS[:7]), partition=3)
    (one,) = forwarded(read, Parser(), at_end=True)
    worker = Worker(Settings())
    worker.add(rollups([one]))

    (head,) = worker.heads
    assert (head.topic, head.partition) == ("access", 3)
    assert (head.first_offset, head.next_offset, head.at_end) == (40, 47, True)


def test_what_other_readers_did_not_understand_is_shown_with_its_place() -> None:
    values = [*ACCESS[:3], b"\x00 no line", *ACCESS[3:6]]
    worker = Worker(Settings())
    worker.add(rollups(forwarded(batch("access", "access", 100, values), Parser())))

    ((reason, (place,)),) = worker.rejects.first.items()
    assert (place.path, place.line) == ("access", 104)
    assert worker.counts[f"reject/{reason}"] == 1


def test_what_is_no_digest_is_a_reject_and_the_others_count() -> None:
    good = forwarded(batch("access", "access", 0, ACCESS[:50]), Parser())
    shorter = digests(
        batch("access", "access", 50, ACCESS[50:60]),
        Parser().parse(batch("access", "access", 50, ACCESS[50:60])),
        ExemplarLog(SETTINGS.redaction),
        bucket_s=BUCKET_S // 2,
        at_end=False,
    )
    fields = msgspec.msgpack.decode(good[0])
    newer = msgspec.msgpack.encode(fields | {"version": 2})
    damaged = msgspec.msgpack.encode(fields | {"traffic": b"ARROW1 no more"})
    foreign = msgspec.msgpack.encode(fields | {"traffic": fields["buckets"]})
    worker = Worker(Settings())
    worker.add(rollups([b"", ACCESS[0], newer, damaged, foreign, *shorter, *good]))

    assert worker.counts[f"reject/{UNREADABLE}"] == 6
    assert sum(n for name, n in worker.counts.items() if name.startswith("access/")) == 50
    assert "buckets of" in worker.rejects.newest["sample"].to_list()[-1]


def test_a_digest_that_no_broker_would_take_is_cut_in_pieces_that_say_the_same() -> None:
    noise = random.Random(1)
    lines = [
        ACCESS[n].replace(b"outbound|", b"outbound|" + noise.randbytes(10_000).hex().encode())
        for n in range(400)
    ]
    read = batch("access", "access", 0, lines)
    pieces = forwarded(read, Parser())
    worker = Worker(Settings())
    worker.add(rollups(pieces))

    assert len(pieces) > 1
    assert max(map(len, pieces)) <= LIMIT_BYTES
    assert worker.counts == Parser().parse(read).counts


def test_a_digest_without_records_says_that_nothing_is_left() -> None:
    nothing = batch("access", "access", 12, [])
    (one,) = forwarded(nothing, Parser(), at_end=True)
    worker = Worker(Settings())

    assert worker.add(rollups([one])) is None
    assert worker.heads == [msgspec.msgpack.decode(one, type=Digest)]
    assert told(worker) == []
