"""Rollups from Parquet, CSV and NDJSON files: in order of time, in bounded pieces.

A first pass counts rows per bucket and cuts time into stretches of a bounded number of rows; a
second reads each stretch from the files that have part of it. Nothing is assumed about the order
of rows; files sorted by time are faster, for Parquet's statistics then tell what to skip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from pipelines.inputs import STDIN, Input, resolve
from pipelines.rollup_rows import BAD_TIME, TEXTS, time_of, typed
from pipelines.rollup_text import TextRollups, missing_columns
from pipelines.schema import ROLLUP
from pipelines.source import FileProblem, Progress

STRETCH_ROWS = 500_000
"""Rows read at once, unless one bucket has more: about 100 MB while they are converted."""

_ROW = "\0row"  # no column of a file has this name
_DAMAGES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one file, ready to be read by time."""

    path: str
    rows: pl.LazyFrame  # line, time (a Datetime) and the other columns as stored
    first: datetime
    last: datetime


class RollupFiles:
    """Frames of `schema.ROLLUP` from files, by time; iterate once.

    Each frame holds whole buckets, and later frames later ones. A row that is no rollup is counted
    in ``rejects`` and its first line told in ``samples``; a file, or the rest of one, that cannot
    be read is in ``problems``, and the others are read on.

    Args:
        paths: files, globs or ``-``; CSV and NDJSON may be gzip or zstd.
        bucket_s: seconds of a bucket; times are cut down to its multiples.
        stretch_rows: rows to read at once.
    """

    def __init__(
        self, paths: Iterable[str], *, bucket_s: int = 10, stretch_rows: int = STRETCH_ROWS
    ) -> None:
        self.problems: list[FileProblem] = []
        self.rejects: Counter[str] = Counter()
        self.samples: list[FileProblem] = []
        self._files = list(resolve((Input(path) for path in paths), self.problems))
        self._bucket_s = bucket_s
        self._stretch_rows = stretch_rows
        self._bytes = 0
        self._rows = 0
        self._done_rows = 0

    def progress(self) -> Progress:
        """Bytes of all files, in proportion to the rows delivered."""
        share = self._done_rows / self._rows if self._rows else 0.0
        return Progress(round(self._bytes * share), self._bytes)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Read everything, in order of time."""
        with TemporaryDirectory(prefix="pushwake-") as folder:
            buckets: Counter[datetime] = Counter()
            parts = [
                part
                for file in self._files
                for part in self._parts(file.path, Path(folder), buckets)
            ]
            self._rows = buckets.total()
            for first, last, rows in self._stretches(buckets):
                frame = self._read(parts, first, last)
                self._done_rows += rows
                if frame.height:
                    yield frame

    def _parts(self, path: str, folder: Path, buckets: Counter[datetime]) -> Iterator[_Part]:
        """The parts of one file, their rows counted into ``buckets``."""
        try:
            for rows in self._scans(path, folder):
                part = self._counted(path, rows, buckets)
                if part is not None:
                    yield part
        except _DAMAGES as error:
            self._report(path, error)

    def _scans(self, path: str, folder: Path) -> Iterator[pl.LazyFrame]:
        """Rows of one file with a Datetime ``time``; what has none is copied with one."""
        if path == STDIN or not _is_parquet(path):
            yield from self._copied_text(path, folder)
            return
        self._bytes += Path(path).stat().st_size
        rows = pl.scan_parquet(path, row_index_name=_ROW, row_index_offset=1, glob=False)
        schema = rows.collect_schema()
        reason = missing_columns([name for name in schema if name != _ROW]) or _wrong_dtypes(schema)
        rows = rows.select(pl.col(_ROW).alias("line"), *(name for name in ROLLUP if name in schema))
        if reason is not None:
            self.problems.append(FileProblem(path, reason))
        elif isinstance(schema["time"], pl.Datetime):
            yield rows
        else:
            copy = _next_file(folder)
            rows.with_columns(time=time_of(schema["time"])).sink_parquet(copy)
            yield pl.scan_parquet(copy)

    def _copied_text(self, path: str, folder: Path) -> Iterator[pl.LazyFrame]:
        text = TextRollups(path)
        for frame in text.frames():
            copy = _next_file(folder)
            frame.with_columns(time=time_of(pl.String())).write_parquet(copy, compression="lz4")
            yield pl.scan_parquet(copy)
        self._bytes += text.read_bytes
        self.rejects += text.rejects
        for reason, line in text.first_rejects.items():
            self.samples.append(FileProblem(path, reason, line))
        if text.problem is not None:
            self.problems.append(text.problem)

    def _counted(self, path: str, rows: pl.LazyFrame, buckets: Counter[datetime]) -> _Part | None:
        time = time_of(rows.collect_schema()["time"])
        bucket = time.dt.truncate(f"{self._bucket_s}s").alias("bucket")
        counts = rows.group_by(bucket).agg(pl.len(), pl.min("line")).collect(engine="streaming")
        times: list[datetime] = []
        for start, count, line in counts.iter_rows():
            if start is None:
                self._reject(path, BAD_TIME, count, line)
            else:
                buckets[start] += count
                times.append(start)
        return _Part(path, rows, min(times), max(times)) if times else None

    def _stretches(self, buckets: Counter[datetime]) -> Iterator[tuple[datetime, datetime, int]]:
        """First and last bucket of each stretch, and its rows."""
        times = sorted(buckets)
        start = rows = 0
        for at, time in enumerate(times):
            rows += buckets[time]
            if rows >= self._stretch_rows or at == len(times) - 1:
                yield times[start], time, rows
                start, rows = at + 1, 0

    def _read(self, parts: list[_Part], first: datetime, last: datetime) -> pl.DataFrame:
        end = last + timedelta(seconds=self._bucket_s)
        frames = [
            self._read_part(part, first, end)
            for part in parts
            if part.first <= last and part.last >= first
        ]
        return pl.concat(frames).sort("time", maintain_order=True)

    def _read_part(self, part: _Part, first: datetime, end: datetime) -> pl.DataFrame:
        dtype = part.rows.collect_schema()["time"]
        assert isinstance(dtype, pl.Datetime)
        # the column as stored, so that row groups outside can be skipped unread
        bounds = [_stored(time, dtype) for time in (first, end)]
        wanted = pl.col("time").is_between(bounds[0], bounds[1], closed="left")
        try:
            raw = part.rows.filter(wanted).collect()
        except _DAMAGES as error:
            self._report(part.path, error)
            raw = part.rows.clear().collect()
        good, bad = typed(raw, self._bucket_s)
        for reason, count, line in bad.group_by("reason").agg(pl.len(), pl.min("line")).iter_rows():
            self._reject(part.path, reason, count, line)
        return good

    def _reject(self, path: str, reason: str, count: int, line: int) -> None:
        self.rejects[reason] += count
        if not any((known.path, known.reason) == (path, reason) for known in self.samples):
            self.samples.append(FileProblem(path, reason, line))

    def _report(self, path: str, error: BaseException) -> None:
        reason = f"cannot be read ({str(error).splitlines()[0][:200]})"
        if all((known.path, known.reason) != (path, reason) for known in self.problems):
            self.problems.append(FileProblem(path, reason))


def _is_parquet(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # reading it as text will say what is wrong


def _stored(time: datetime, dtype: pl.Datetime) -> pl.Expr:
    """A time as a column of this type compares with."""
    if dtype.time_zone is None:
        return pl.lit(time.replace(tzinfo=None))
    return pl.lit(time).dt.convert_time_zone(dtype.time_zone)


def _wrong_dtypes(schema: pl.Schema) -> str | None:
    for name in TEXTS:
        dtype = schema.get(name, pl.String())
        if not isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
            return f"has {dtype} in column {name}; it must be text"
    for name in ("response_code", "count"):
        if not (schema[name].is_numeric() or schema[name] == pl.String):
            return f"has {schema[name]} in column {name}; it must be a whole number"
    return None


def _next_file(folder: Path) -> Path:
    return folder / f"{sum(1 for _ in folder.iterdir())}.parquet"
