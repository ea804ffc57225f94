"""Files as a source: every line once, whatever the file; one bad file harms no other."""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
import threading
import tracemalloc
import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipelines.batch import Batch
from pipelines.inputs import Input
from pipelines.line_reader import LINE_BYTES
from pipelines.replay import FIRST_LINES, Replay
from pipelines.source import FileProblem, Progress, Source

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def drain(source: Source) -> dict[str, list[bytes]]:
    """All lines by topic, checking on the way that batches join without gap or overlap."""
    lines: dict[str, list[bytes]] = defaultdict(list)
    while (batch := source.poll()) is not None:
        values = [value for value in batch.values if value is not None]
        assert len(values) == len(batch.values) == batch.next_offset - batch.first_offset > 0
        assert batch.first_offset == len(lines[batch.topic])
        lines[batch.topic] += values
    assert source.done
    return dict(lines)


def replay(*paths: Path | str, batch_lines: int = 20_000) -> Replay:
    return Replay([Input(str(path)) for path in paths], batch_lines=batch_lines)


def polled(source: Source) -> Batch:
    batch = source.poll()
    assert batch is not None
    return batch


def read(path: Path) -> tuple[list[bytes], Sequence[FileProblem]]:
    source = replay(path)
    return drain(source).get(str(path), []), source.problems


def numbered(count: int) -> list[bytes]:
    return [b"line %d" % number for number in range(count)]


def text(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize("pack", [bytes, gz, zst])
@pytest.mark.parametrize("name", ["a.log", "a.log.gz", "a.log.zst"])
def test_content_decides_how_a_file_is_read_and_not_its_name(
    tmp_path: Path, pack: type[bytes], name: str
) -> None:
    (tmp_path / name).write_bytes(pack(text(numbered(50_000))))

    assert read(tmp_path / name) == (numbered(50_000), ())


@pytest.mark.parametrize("pack", [gz, zst])
def test_concatenated_members_are_one_file(tmp_path: Path, pack: type[bytes]) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"".join(pack(b"line %d\n" % number) for number in range(500)))

    assert read(file) == (numbered(500), ())


def test_skippable_zstd_frames_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00meta"
    file.write_bytes(skippable + zst(b"line 0\n") + skippable + zst(b"line 1\n"))

    assert read(file) == (numbered(2), ())


def test_zeros_after_gzip_data_are_padding(tmp_path: Path) -> None:
    file = tmp_path / "a.log.gz"
    file.write_bytes(gz(b"line 0\n") + bytes(1000) + gz(b"line 1\n") + bytes(1))

    assert read(file) == (numbered(2), ())


@pytest.mark.parametrize(
    ("tail", "pack", "reason"),
    [
        (b"garbage", gz, "trailing bytes"),
        (b"g", gz, "trailing bytes"),
        (b"garbage", zst, "damaged zstd"),
    ],
)
def test_garbage_behind_compressed_data_is_reported_and_the_data_kept(
    tmp_path: Path, tail: bytes, pack: type[bytes], reason: str
) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(pack(text(numbered(3))) + tail)

    lines, problems = read(file)

    assert lines == numbered(3)
    assert [problem.line for problem in problems] == [4]
    assert reason in problems[0].reason


@pytest.mark.parametrize("pack", [gz, zst])
def test_lines_before_a_cut_are_kept_and_the_cut_is_placed(
    tmp_path: Path, pack: type[bytes]
) -> None:
    content = random.Random(1).randbytes(300_000).hex().encode()
    whole = [content[start : start + 60] for start in range(0, len(content), 60)]
    packed = pack(text(whole))
    file = tmp_path / "a.log"
    file.write_bytes(packed[: len(packed) // 2])

    lines, [problem] = read(file)

    assert 1_000 < len(lines) < len(whole)
    assert lines == whole[: len(lines)]
    assert "truncated" in problem.reason
    assert (problem.line, problem.offset) == (len(lines) + 1, len(packed) // 2)
    assert str(problem).startswith(f"{file}:{len(lines) + 1}: is a truncated")


def test_damage_in_the_middle_of_a_gzip_file_is_reported(tmp_path: Path) -> None:
    packed = bytearray(gz(text([b"%x" % random.Random(2).getrandbits(900)] * 9 + numbered(99_999))))
    packed[len(packed) // 2 :] = bytes(byte ^ 0x5A for byte in packed[len(packed) // 2 :])
    file = tmp_path / "a.log.gz"
    file.write_bytes(packed)

    lines, [problem] = read(file)

    assert 0 < len(lines) < 100_008
    assert "damaged gzip" in problem.reason


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.gz", b"\x1f\x8b\x09\x00" + bytes(40), "damaged gzip data (unknown compression method)"),
        ("a.gz", b"\x00\x01\x02garbage", "has a bad header: its name says gz"),
        ("a.zst", b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "damaged zstd"),
        ("a.bz2", b"BZh91AY&SY", "is bzip2"),
        ("a.xz", b"\xfd7zXZ\x00\x00", "is xz"),
        ("a.zip", b"PK\x03\x04\x00\x00", "is a zip archive"),
        ("a.log", "hello\n".encode("utf-16"), "is UTF-16"),
        ("r.parquet", b"PAR1\x15\x04\x15", "is Parquet"),
    ],
)
def test_a_file_of_another_make_is_named_with_what_to_do(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(data)

    lines, [problem] = read(tmp_path / name)

    assert lines == []
    assert reason in problem.reason


@pytest.mark.parametrize("data", [b"", gz(b""), zst(b""), b"\xef\xbb\xbf"])
def test_an_empty_file_is_no_problem(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(data)

    assert read(file) == ([], ())


def test_line_ends_of_other_systems_and_a_missing_last_one_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\nfo\rur")

    assert read(file) == ([b"one", b"two", b"", b"fo\rur"], ())


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 3, 300_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_is_cut_one_byte_behind_the_limit(tmp_path: Path, excess: int, end: bytes) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"one" + end + b"x" * (LINE_BYTES + excess) + end + b"two")

    assert read(file)[0] == [b"one", b"x" * (LINE_BYTES + min(excess, 1)), b"two"]


def test_a_carriage_return_where_a_line_is_cut_does_not_make_it_short_enough(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"x" * LINE_BYTES + b"\rxxx\n")

    assert [len(line) for line in read(file)[0]] == [LINE_BYTES + 1]


@pytest.mark.parametrize("pack", [bytes, gz, zst])
def test_a_line_without_end_is_never_held_in_memory(tmp_path: Path, pack: type[bytes]) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(pack(bytes(200_000_000) + b"\nlast\n"))
    tracemalloc.start()
    try:
        lines, problems = read(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert [len(line) for line in lines] == [LINE_BYTES + 1, 4]
    assert problems == ()
    assert peak < 80_000_000  # zstd may put out 32 MiB at once, and joining takes as much again


def test_unreadable_files_among_many_are_reported_and_the_others_read(tmp_path: Path) -> None:
    good = tmp_path / "good.log"
    good.write_bytes(b"line 0\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling.log").symlink_to(tmp_path / "nowhere")
    bad = [str(tmp_path / name) for name in ("folder", "absent.log", "dangling.log", "x*.log")]

    source = replay(*bad[:2], good, *bad[2:], "a\0b")

    assert drain(source) == {str(good): [b"line 0"]}
    reasons = {problem.path: problem.reason for problem in source.problems}
    assert reasons.keys() == {*bad, "a\0b"}
    assert "is a directory; name its files" in reasons[bad[0]]
    assert "No such file" in reasons[bad[1]]
    assert reasons[bad[3]] == "matches no file"


def test_a_file_that_may_not_be_opened_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret.log"
    file.write_bytes(b"line 0\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # root, as which tests may run, can open all
    source = replay(file)

    assert source.poll() is None
    assert [problem.reason for problem in source.problems] == ["cannot be read (Permission denied)"]


def test_globs_are_resolved_in_order_and_no_file_is_read_twice(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "deep/c.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "link.log").symlink_to(tmp_path / "a.log")

    source = replay(tmp_path / "a.log", tmp_path / "*.log", tmp_path / "**")

    assert list(source.topics) == [str(tmp_path / n) for n in ("a.log", "b.log", "deep/c.log")]
    assert source.problems == ()
    assert len(drain(source)) == 3


def test_a_name_with_brackets_is_a_name_when_such_a_file_exists(tmp_path: Path) -> None:
    file = tmp_path / "pod[1].log"
    file.write_bytes(b"line 0\n")

    assert read(file) == (numbered(1), ())


def test_a_file_named_for_two_kinds_of_content_is_told_apart_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "mixed.log"
    file.write_bytes(b"line 0\n")
    source = Replay([Input(str(file), "access"), Input(str(file), "control-plane")])

    assert polled(source).kind == "auto"
    assert source.poll() is None


def test_batches_carry_the_kind_of_their_input(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"line 0\n")

    batch = polled(Replay([Input(str(file), "access")]))

    assert (batch.kind, batch.partition) == ("access", 0)


def test_standard_input_is_a_file_of_unknown_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gz(text(numbered(30_000))))))
    source = replay("-")

    assert source.progress() == Progress(0, None)
    assert drain(source) == {"-": numbered(30_000)}
    assert source.lag() is None
    source.close()


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(text(numbered(100_000)),))
    writer.start()

    assert read(pipe) == (numbered(100_000), ())
    writer.join()


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    sizes = []
    for name, pack in (("a", bytes), ("b", gz), ("c", zst)):
        (tmp_path / name).write_bytes(pack(text(numbered(70_000))))
        sizes.append((tmp_path / name).stat().st_size)
    source = replay(tmp_path / "*")
    assert source.progress() == Progress(0, sum(sizes))

    drain(source)

    assert source.progress() == Progress(sum(sizes), sum(sizes))
    assert source.lag() == 0


def test_the_file_furthest_behind_in_event_time_is_read_next(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(text(numbered(5_000)))
    a, b, c = (str(tmp_path / name) for name in "abc")
    source = replay(a, b, c, batch_lines=1_000)

    first = [polled(source) for _ in range(3)]
    assert [(batch.topic, len(batch.values)) for batch in first] == [
        (a, FIRST_LINES),
        (b, FIRST_LINES),
        (c, FIRST_LINES),
    ]
    order = []
    times = {a: NOON, b: NOON - timedelta(seconds=100), c: NOON - timedelta(seconds=1)}
    for topic, time in times.items():
        source.advance(topic, time)
    while (batch := source.poll()) is not None:
        order.append(batch.topic)
        times[batch.topic] += timedelta(seconds=40)
        source.advance(batch.topic, times[batch.topic])

    # b catches up with c, both with a; each has five batches, the last one short
    assert order == [b, b, b, c, a, b, c, a, b, c, a, c, a, c, a]
    assert len(order) == 15


def test_files_of_unknown_time_take_turns(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(text(numbered(4 * FIRST_LINES)))
    source = replay(tmp_path / "*", batch_lines=FIRST_LINES)

    topics = [Path(polled(source).topic).name for _ in range(8)]

    assert topics == list("abababab")


def test_seek_goes_on_where_the_store_left_off(tmp_path: Path) -> None:
    for name, pack in (("a", bytes), ("b", gz)):
        (tmp_path / name).write_bytes(pack(text(numbered(50_000))))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    source = replay(a, b)
    polled(source)

    source.seek({(a, 0): 49_000, ("gone", 0): 3})

    batches = [polled(source) for _ in range(2)]
    assert [(batch.topic, batch.first_offset) for batch in batches] == [(a, 49_000), (b, 0)]
    assert list(batches[0].values) == numbered(50_000)[49_000 : 49_000 + FIRST_LINES]


def test_seeking_behind_the_end_of_a_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(text(numbered(3)))
    source = replay(file)
    source.seek({(str(file), 0): 5})

    assert source.poll() is None
    assert [problem.reason for problem in source.problems] == [
        "ends before line 6, the next to read"
    ]


def test_a_file_replaced_while_it_is_read_is_reported(tmp_path: Path) -> None:
    file, other = tmp_path / "a.log", tmp_path / "b.log"
    file.write_bytes(text(numbered(200_000)))
    other.write_bytes(b"")
    source = replay(file)
    polled(source)
    file.rename(tmp_path / "a.log.1")
    file.write_bytes(text(numbered(200_000)))

    while source.poll() is not None:
        pass

    assert ["was replaced" in problem.reason for problem in source.problems] == [True]


def test_more_files_than_handles_can_be_read_in_turns(tmp_path: Path) -> None:
    for number in range(1_500):
        (tmp_path / f"{number:04}.log").write_bytes(text(numbered(2)))
    source = replay(tmp_path / "*.log", batch_lines=1)
    topics = {polled(source).topic for _ in range(1_500)}

    assert len(topics) == 1_500
    assert len(os.listdir("/dev/fd")) < 200


def test_a_closed_source_is_done(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(text(numbered(50_000)))
    source = replay(file)
    polled(source)
    source.close()
    source.close()

    assert source.poll() is None
    assert source.done


@given(
    content=st.binary(max_size=300),
    pack=st.sampled_from([bytes, gz, zst]),
    batch_lines=st.integers(1, 5),
)
def test_lines_are_those_of_the_content_however_packed_and_batched(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, pack: type[bytes], batch_lines: int
) -> None:
    file = tmp_path_factory.mktemp("property") / "a.log"
    file.write_bytes(pack(b"#" + content))
    expected = (b"#" + content).removesuffix(b"\n").split(b"\n")

    lines = drain(replay(file, batch_lines=batch_lines))[str(file)]

    assert lines == [line.removesuffix(b"\r") for line in expected]


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd"]))
def test_no_bytes_make_a_source_raise(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, magic: bytes
) -> None:
    file = tmp_path_factory.mktemp("hostile") / "a.log"
    file.write_bytes(magic + content)

    lines, problems = read(file)

    assert all(len(line) <= LINE_BYTES + 1 for line in lines)
    assert len(problems) <= 1


def test_a_bit_flipped_in_a_gzip_file_never_passes_unnoticed(tmp_path: Path) -> None:
    packed = gz(text(numbered(2_000)))
    file = tmp_path / "a.log.gz"
    rng = random.Random(3)
    for _ in range(50):
        at = rng.randrange(10, len(packed))
        file.write_bytes(
            packed[:at] + bytes([packed[at] ^ (1 << rng.randrange(8))]) + packed[at + 1 :]
        )
        lines, problems = read(file)
        assert problems or lines == numbered(2_000)
        assert zlib.crc32(packed) != zlib.crc32(file.read_bytes())
