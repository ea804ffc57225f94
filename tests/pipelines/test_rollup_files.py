"""Rollups from files: the same rows by time, whatever the file type, order or spelling."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.line_reader import LINE_BYTES
from pipelines.rollup_files import RollupFiles
from pipelines.schema import ROLLUP

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = "time,reporter,source,destination,response_code,response_flags,count"


def rollup(rows: int, *, buckets: int = 5) -> pl.DataFrame:
    """Rows spread over buckets, told apart by their count."""
    return pl.DataFrame(
        {
            "time": [NOON + timedelta(seconds=10 * (n * buckets // rows)) for n in range(rows)],
            "reporter": ["source" if n % 2 else "destination" for n in range(rows)],
            "source": [f"web-{n % 3}.shop" for n in range(rows)],
            "source_pod": [f"web-{n % 3}-abc" if n % 3 else None for n in range(rows)],
            "destination": ["cart.shop.svc.cluster.local"] * rows,
            "response_code": [503 if n % 7 == 0 else 200 for n in range(rows)],
            "response_flags": ["UF,URX" if n % 7 == 0 else "-" for n in range(rows)],
            "count": list(range(1, rows + 1)),
        },
        schema=pl.Schema(ROLLUP),
    )


def all_of(files: RollupFiles) -> pl.DataFrame:
    """All rows, checking that frames are in order, hold whole buckets and have the schema."""
    frames = list(files)
    for frame in frames:
        assert frame.schema == pl.Schema(ROLLUP)
        assert frame["time"].is_sorted()
        assert frame.height > 0
    for before, after in pairwise(frames):
        assert before["time"][-1] < after["time"][0]
    return pl.concat(frames) if frames else pl.DataFrame(schema=pl.Schema(ROLLUP))


def read(*paths: Path, stretch_rows: int = 100) -> tuple[pl.DataFrame, RollupFiles]:
    files = RollupFiles(map(str, paths), stretch_rows=stretch_rows)
    return all_of(files), files


def write(frame: pl.DataFrame, path: Path) -> Path:
    inner = path.name.removesuffix(".gz").removesuffix(".zst")
    buffer = io.BytesIO()
    if inner.endswith("parquet"):
        frame.write_parquet(buffer, row_group_size=64)
    elif inner.endswith("csv"):
        frame.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    else:
        frame.with_columns(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_ndjson(buffer)
    data = buffer.getvalue()
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdCompressor().compress(data)
    path.write_bytes(data)
    return path


def csv_file(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


TYPES = ("r.parquet", "r.csv", "r.ndjson", "r.csv.gz", "r.csv.zst", "r.ndjson.gz", "r.ndjson.zst")


@pytest.mark.parametrize("name", TYPES)
def test_every_file_type_gives_back_the_same_rows(tmp_path: Path, name: str) -> None:
    frame = rollup(1_000)

    rows, files = read(write(frame, tmp_path / name))

    assert_frame_equal(rows, frame)
    assert (files.problems, files.rejects, files.samples) == ([], {}, [])


@pytest.mark.parametrize("name", TYPES[:3])
def test_unsorted_files_are_sorted(tmp_path: Path, name: str) -> None:
    frame = rollup(1_000)

    rows, _ = read(write(frame.sample(fraction=1, shuffle=True, seed=1), tmp_path / name))

    assert_frame_equal(rows.sort("count"), frame)


def test_files_of_several_types_are_merged_by_time(tmp_path: Path) -> None:
    frame = rollup(999)
    for part, name in enumerate(TYPES[:3]):
        write(frame.filter(pl.col("count") % 3 == part), tmp_path / name)

    rows, files = read(tmp_path / "r.*", stretch_rows=50)

    assert_frame_equal(rows.sort("count"), frame)
    assert files.progress().read == files.progress().total
    assert files.progress().read > 0


def test_a_bucket_is_never_split_over_frames(tmp_path: Path) -> None:
    file = write(rollup(1_000, buckets=20), tmp_path / "r.parquet")

    heights = [frame.height for frame in RollupFiles([str(file)], stretch_rows=120)]

    assert heights == [150] * 6 + [100]


@pytest.mark.parametrize(
    "spelling",
    [
        "2026-03-01T12:00:10Z",
        "2026-03-01t12:00:10z",
        "2026-03-01T12:00:10.000Z",
        "2026-03-01T14:00:10+02:00",
        "2026-03-01 12:00:10+0000",
        "2026-03-01 12:00:10 UTC",
        "2026-03-01 12:00:10",
        "2026-03-01T12:00:17.999999",
        "1772366410",
        "1772366410.5",
        "1772366410000",
        "1772366410000000",
        "1772366410000000000",
        "1.77236641e9",
    ],
)
@pytest.mark.parametrize("name", ["r.csv", "r.ndjson"])
def test_times_may_be_spelled_in_many_ways(tmp_path: Path, spelling: str, name: str) -> None:
    rest = ["source", "web.shop", "cart.shop", 200, "-", 1]
    if name == "r.csv":
        csv_file(tmp_path / name, ",".join([spelling, *map(str, rest)]))
    else:
        number = spelling if spelling.replace(".", "").isdigit() else json.dumps(spelling)
        row = json.dumps(dict(zip(HEADER.split(",")[1:], rest, strict=True)))
        (tmp_path / name).write_text(f'{{"time": {number}, {row[1:]}\n')

    rows, files = read(tmp_path / name)

    assert files.rejects == {}
    assert rows["time"].to_list() == [NOON + timedelta(seconds=10)]


@pytest.mark.parametrize(
    "time",
    [
        pl.col("time").dt.replace_time_zone(None),
        pl.col("time").dt.convert_time_zone("Asia/Tokyo"),
        pl.col("time").dt.cast_time_unit("ms"),
        pl.col("time").dt.cast_time_unit("ns"),
        pl.col("time").dt.epoch("s"),
        pl.col("time").dt.epoch("s").cast(pl.Float64),
        pl.col("time").dt.epoch("ms"),
        pl.col("time").dt.epoch("ns"),
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ],
)
def test_parquet_may_hold_times_of_any_type(tmp_path: Path, time: pl.Expr) -> None:
    frame = rollup(500)
    frame.with_columns(time).write_parquet(tmp_path / "r.parquet", row_group_size=64)

    rows, files = read(tmp_path / "r.parquet")

    assert files.problems == []
    assert_frame_equal(rows, frame)


def test_parquet_may_hold_other_types_that_mean_the_same(tmp_path: Path) -> None:
    frame = rollup(100)
    frame.with_columns(
        pl.col("source", "destination").cast(pl.Categorical),
        pl.col("reporter").cast(pl.Enum(["source", "destination"])),
        pl.col("response_code").cast(pl.String),
        pl.col("count").cast(pl.Float64) + 0.25,
        extra=pl.lit(1),
        line=pl.lit(1),
    ).drop("source_pod").write_parquet(tmp_path / "r.parquet")

    rows, files = read(tmp_path / "r.parquet")

    assert files.problems == []
    assert_frame_equal(rows, frame.with_columns(source_pod=pl.lit(None, pl.String)))


def test_flags_are_put_in_order_and_gaps_are_filled(tmp_path: Path) -> None:
    file = csv_file(
        tmp_path / "r.csv",
        '2026-03-01T12:00:00Z,source,,,503,"URX,UF,UF",1',
        "2026-03-01T12:00:00Z,source,a,b,200,,2",
        "2026-03-01T12:00:00Z,source,a,b,200,-,0",
    )

    rows, files = read(file)

    assert rows.select("source", "source_pod", "destination", "response_flags").rows() == [
        ("unknown", None, "unknown", "UF,URX"),
        ("a", None, "b", "-"),
    ]
    assert files.rejects == {}


BAD_ROWS = {
    "bad-time": "yesterday,source,a,b,200,-,1",
    "bad-reporter": "2026-03-01T12:00:00Z,waypoint,a,b,200,-,1",
    "bad-response-code": "2026-03-01T12:00:00Z,source,a,b,OK,-,1",
    "bad-count": "2026-03-01T12:00:00Z,source,a,b,200,-,-1",
    "bad-csv": "2026-03-01T12:00:00Z,source,a,b,200,UF,URX,1",
    "too-long": f"2026-03-01T12:00:00Z,source,{'a' * LINE_BYTES},b,200,-,1",
}


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_a_bad_row_is_a_counted_reject_with_its_line_and_harms_no_other(
    tmp_path: Path, reason: str
) -> None:
    good = "2026-03-01T12:00:00Z,source,a,b,200,-,5"
    file = csv_file(tmp_path / "r.csv", good, BAD_ROWS[reason], good, BAD_ROWS[reason], good)

    rows, files = read(file)

    assert rows["count"].to_list() == [5, 5, 5]
    assert files.rejects == {reason: 2}
    assert [(sample.reason, sample.line) for sample in files.samples] == [(reason, 3)]
    assert files.problems == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"garbage", "not-json"),
        (b'{"time": 1', "not-json"),
        (b'{"time": "\xff\xfe"}', "not-json"),
        (b'{"time": ' + b"[" * 60_000, "bad-field"),
        (b'{"x": ' + b"[" * 60_000, "not-json"),
        (b"null", "bad-field"),
        (b'{"time": "2026-03-01T12:00:00Z"}', "bad-field"),
        (b'{"x": "' + b"y" * 70_000 + b'"}', "too-long"),
    ],
)
def test_a_bad_object_is_a_counted_reject_with_its_line(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    file = write(rollup(2), tmp_path / "r.ndjson")
    good = file.read_bytes()
    file.write_bytes(good + line + b"\n\n" + good)

    rows, files = read(file)

    assert rows.height == 4
    assert files.rejects == {reason: 1}
    assert [sample.line for sample in files.samples] == [3]


def test_flags_may_be_a_list_in_json(tmp_path: Path) -> None:
    row = dict(zip(HEADER.split(","), [1772366400, "source", "a", "b", "503", 0, 3.0], strict=True))
    row["response_flags"] = ["URX", "UF"]
    (tmp_path / "r.ndjson").write_text(json.dumps(row))

    rows, files = read(tmp_path / "r.ndjson")

    assert rows["response_flags"].to_list() == ["UF,URX"]
    assert files.rejects == {}


def test_nulls_in_parquet_are_rejects_and_not_rows(tmp_path: Path) -> None:
    frame = rollup(9).with_columns(
        time=pl.when(pl.col("count") != 2).then("time"),
        count=pl.when(pl.col("count") != 4).then("count"),
    )
    frame.write_parquet(tmp_path / "r.parquet")

    rows, files = read(tmp_path / "r.parquet")

    assert rows.height == 7
    assert files.rejects == {"bad-time": 1, "bad-count": 1}
    assert {sample.reason: sample.line for sample in files.samples} == {
        "bad-time": 2,
        "bad-count": 4,
    }


def test_a_time_of_another_century_is_a_reject_and_stretches_nothing(tmp_path: Path) -> None:
    file = csv_file(
        tmp_path / "r.csv",
        "0,source,a,b,200,-,1",
        "9999-12-31T23:59:59Z,source,a,b,200,-,1",
        "2026-03-01T12:00:00Z,source,a,b,200,-,7",
    )

    rows, files = read(file)

    assert rows["count"].to_list() == [7]
    assert files.rejects == {"bad-time": 2}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"time,reporter,source\n", "has no column destination, response_code"),
        (b"time,reporter,reporter\n", "names a column twice"),
        (b'[{"time": 1}]', "is a JSON array; write one object a line"),
        (b"\x00\x01\x02\x03\n", "has no column time"),
        (b"PAR1" + b"\x00" * 50, "cannot be read"),
        (gzip.compress(b"PAR1", mtime=0), "is compressed Parquet"),
        (gzip.compress(HEADER.encode() + b"\n" + b"x,y\n" * 999, mtime=0)[:30], "truncated gzip"),
        (b"BZh91AY&SY", "is bzip2"),
    ],
)
def test_a_file_that_holds_no_rollups_is_named_with_the_reason_and_others_are_read(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "bad").write_bytes(content)
    good = write(rollup(10), tmp_path / "good.csv")

    rows, files = read(tmp_path / "bad", good, tmp_path / "absent")

    assert rows.height == 10
    assert {Path(problem.path).name for problem in files.problems} == {"bad", "absent"}
    assert any(reason in problem.reason for problem in files.problems)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pl.lit(1).alias("source"), "Int32 in column source; it must be text"),
        (pl.lit([1]).alias("count"), "in column count; it must be a whole number"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(tmp_path: Path, column: pl.Expr, reason: str) -> None:
    rollup(5).with_columns(column).write_parquet(tmp_path / "r.parquet")

    rows, files = read(tmp_path / "r.parquet")

    assert rows.is_empty()
    assert [reason in problem.reason for problem in files.problems] == [True]


@pytest.mark.parametrize("content", [b"", HEADER.encode(), HEADER.encode() + b"\r\n"])
def test_an_empty_file_is_no_problem(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.csv").write_bytes(content)

    rows, files = read(tmp_path / "r.csv")

    assert rows.is_empty()
    assert files.problems == []


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER + "\n2026-03-01T12:00:00Z,source,a,b,200,-,5\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert all_of(RollupFiles(["-"]))["count"].to_list() == [5]


def test_damaged_parquet_never_raises(tmp_path: Path) -> None:
    whole = write(rollup(300), tmp_path / "r.parquet").read_bytes()
    rng = random.Random(1)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 20])):
            data[rng.randrange(4, len(data))] = rng.randrange(256)
        (tmp_path / "r.parquet").write_bytes(data)

        rows, files = read(tmp_path / "r.parquet")

        assert rows.height + files.rejects.total() > 0 or files.problems


@settings(max_examples=60)
@given(st.lists(st.text(st.sampled_from('",a5\n\r\0é') | st.characters(codec="utf-8"))))
def test_no_lines_of_csv_hide_the_row_behind_them(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    file = tmp_path_factory.mktemp("property") / "r.csv"
    good = "2026-03-01T12:00:00Z,source,a,b,200,-,5"
    file.write_bytes("\n".join([HEADER, *lines, good]).encode())

    rows, files = read(file)

    assert rows["count"].to_list() == [5]
    assert files.problems == []
