"""Rollups in CSV and NDJSON to frames of text columns, line by line where it must be."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO

import msgspec
import polars as pl

from pipelines.line_reader import LINE_BYTES, LineReader
from pipelines.rollup_rows import REQUIRED
from pipelines.source import FileProblem

CHUNK_LINES = 200_000
CHUNK_BYTES = 32 * 1024 * 1024
COLUMNS = (*REQUIRED, "source_pod")
_NEVER_NULL = ("time", "reporter", "response_code", "count")


class _Row(msgspec.Struct):
    time: str | float
    reporter: str
    source: str | None
    destination: str | None
    response_code: str | float
    count: str | float
    response_flags: str | list[str] | None
    source_pod: str | None = None


class TextRollups:
    """Reads one file; `problem` and `rejects` are complete when `frames` is exhausted."""

    def __init__(self, path: str) -> None:
        self.problem: FileProblem | None = None
        self.rejects: Counter[str] = Counter()
        self.first_rejects: dict[str, int] = {}  # reason -> number of its first line, from 1
        self._path = path
        self._reader = LineReader(path, chunk_bytes=256 * 1024)
        self._row = msgspec.json.Decoder(_Row)

    @property
    def read_bytes(self) -> int:
        """Bytes read so far of the file as stored."""
        return self._reader.read_bytes

    def frames(self) -> Iterator[pl.DataFrame]:
        """Frames of ``line`` (from 1) and text columns, in the order of the file."""
        header: list[str] | None = None
        while lines := self._reader.read(CHUNK_LINES, CHUNK_BYTES):
            first = self._reader.next_line - len(lines) + 1
            if first == 1:
                if self._refused(lines[0]):
                    self._reader.close()
                    return
                if not lines[0].lstrip().startswith(b"{"):
                    header = _fields(lines.pop(0))
                    first += 1
            if lines:
                yield (
                    self._json(lines, first) if header is None else self._csv(lines, first, header)
                )
        self.problem = self.problem or self._reader.problem

    def _refused(self, line: bytes) -> bool:
        """Whether the file cannot hold rollups at all, as its first line shows."""
        reason = None
        if line.startswith(b"PAR1"):
            reason = "is compressed Parquet; decompress it first"
        elif line.lstrip().startswith(b"["):
            reason = "is a JSON array; write one object a line (jq -c '.[]')"
        elif not line.lstrip().startswith(b"{"):
            reason = missing_columns(_fields(line))
        if reason is not None:
            self.problem = FileProblem(self._path, reason, line=1)
        return reason is not None

    def _json(self, lines: Sequence[bytes], first: int) -> pl.DataFrame:
        """Whole columns at once when every line is a plain row, else line by line."""
        try:
            frame = pl.read_ndjson(
                BytesIO(b"\n".join(lines)), schema=dict.fromkeys(COLUMNS, pl.String)
            )
        except pl.exceptions.PolarsError:
            return self._json_by_line(lines, first)
        is_odd = (
            frame.height != len(lines)
            or max(map(len, lines)) > LINE_BYTES
            or any(frame[name].has_nulls() for name in _NEVER_NULL)
            or any(frame[name].str.contains(r"^[\[{]").any() for name in COLUMNS)
        )
        return self._json_by_line(lines, first) if is_odd else _with_lines(frame, first)

    def _json_by_line(self, lines: Sequence[bytes], first: int) -> pl.DataFrame:
        rows: list[_Row] = []
        numbers: list[int] = []
        for number, line in enumerate(lines, first):
            if not line.strip():
                continue
            try:
                rows.append(self._row.decode(line))
                numbers.append(number)
            except msgspec.ValidationError:
                self._reject("bad-field", number)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                self._reject("too-long" if len(line) > LINE_BYTES else "not-json", number)
        columns = {name: [_text(getattr(row, name)) for row in rows] for name in COLUMNS}
        return _frame(numbers, columns)

    def _csv(self, lines: Sequence[bytes], first: int, header: list[str]) -> pl.DataFrame:
        """Whole columns at once when every line has its fields, else line by line."""
        try:
            frame = pl.read_csv(
                BytesIO(b"\n".join(lines)),
                has_header=False,
                schema=dict.fromkeys(header, pl.String),
                encoding="utf8-lossy",
            )
        except pl.exceptions.PolarsError:
            return self._csv_by_line(lines, first, header)
        if frame.height != len(lines) or max(map(len, lines)) > LINE_BYTES:
            return self._csv_by_line(lines, first, header)
        known = [name for name in COLUMNS if name in header]
        return _with_lines(frame.select(known), first)

    def _csv_by_line(self, lines: Sequence[bytes], first: int, header: list[str]) -> pl.DataFrame:
        numbers: list[int] = []
        rows: list[list[str]] = []
        for number, line in enumerate(lines, first):
            if not line.strip():
                continue
            fields = [] if len(line) > LINE_BYTES else _fields(line)
            if len(fields) == len(header):
                numbers.append(number)
                rows.append(fields)
            else:
                self._reject("too-long" if len(line) > LINE_BYTES else "bad-csv", number)
        columns: dict[str, list[str | None]] = {
            name: [row[at] or None for row in rows]
            for at, name in enumerate(header)
            if name in COLUMNS
        }
        return _frame(numbers, columns)

    def _reject(self, reason: str, line: int) -> None:
        self.rejects[reason] += 1
        self.first_rejects.setdefault(reason, line)


def missing_columns(names: Sequence[str]) -> str | None:
    """What to say of a file with these columns; None when all that is needed is there."""
    missing = [name for name in REQUIRED if name not in names]
    if len(set(names)) < len(names):
        return f"names a column twice: {', '.join(names)}"
    if not missing:
        return None
    found = ", ".join(names)[:200]
    return (
        f"has no column {', '.join(missing)}; rollups need {', '.join(REQUIRED)} "
        f"(and may have source_pod), and this file has {found}"
    )


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        return [field.strip() for field in next(csv.reader([text]), [])]
    except csv.Error:
        return []


def _text(value: str | float | list[str] | None) -> str | None:
    if isinstance(value, list):
        return ",".join(value)
    return value if value is None or isinstance(value, str) else repr(value)


def _with_lines(frame: pl.DataFrame, first: int) -> pl.DataFrame:
    line = pl.int_range(first, first + frame.height, eager=True).alias("line")
    return frame.insert_column(0, line)


def _frame(numbers: list[int], columns: dict[str, list[str | None]]) -> pl.DataFrame:
    schema = {"line": pl.Int64, **dict.fromkeys(columns, pl.String)}
    return pl.DataFrame({"line": numbers, **columns}, schema=schema)
