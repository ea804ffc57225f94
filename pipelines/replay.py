"""A Source over files: each file is a topic with one partition, a line's offset its number."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.batch import Batch
from pipelines.inputs import STDIN, Input, resolve
from pipelines.line_reader import LineReader
from pipelines.source import FileProblem, Offsets, Progress

BATCH_LINES = 20_000
BATCH_BYTES = 8 * 1024 * 1024
FIRST_LINES = 500
"""Lines of the first batch of each of several files: enough to learn when it starts."""

_CHUNK_BYTES = (16 * 1024, 256 * 1024)
_CHUNKS_BYTES = 64 * 1024 * 1024  # what the chunks of all files may hold together
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _File:
    input: Input
    reader: LineReader
    time: datetime = _NEVER
    batches: int = 0


class Replay:
    """Reads files in the order of their events, as far as `advance` makes it known.

    Of the unfinished files the one furthest behind in event time is read next; those of unknown
    time take turns, first with a small batch each. A file named twice is read once. One that
    cannot be read, or only in part, becomes a `FileProblem`, and the others are read on.

    Args:
        inputs: what to read; globs are resolved now.
        batch_lines: lines of a batch at the most.
        batch_bytes: bytes after which a batch is full.
    """

    def __init__(
        self,
        inputs: Iterable[Input],
        *,
        batch_lines: int = BATCH_LINES,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._problems: list[FileProblem] = []
        self._batch_lines = batch_lines
        self._batch_bytes = batch_bytes
        found = list(resolve(inputs, self._problems))
        smallest, largest = _CHUNK_BYTES
        self._chunk_bytes = min(largest, max(smallest, _CHUNKS_BYTES // max(1, len(found))))
        self._total = _total_bytes(found)
        self._files = {item.path: _File(item, self._reader(item.path)) for item in found}

    @property
    def done(self) -> bool:
        """Whether every file was read to its end, or as far as it can be."""
        return all(file.reader.done for file in self._files.values())

    @property
    def problems(self) -> Sequence[FileProblem]:
        """Files, and rests of files, that could not be read."""
        return tuple(self._problems)

    @property
    def topics(self) -> Sequence[str]:
        """The files, as named, that exist."""
        return tuple(self._files)

    @property
    def unfinished(self) -> Sequence[str]:
        """The topics of which there is more to read."""
        return tuple(path for path, file in self._files.items() if not file.reader.done)

    def poll(self) -> Batch | None:
        """The next lines of the file furthest behind; None at the end of all files."""
        while unfinished := [file for file in self._files.values() if not file.reader.done]:
            batch = self._read(min(unfinished, key=_turn))
            if batch is not None:
                return batch
        return None

    def advance(self, topic: str, time: datetime) -> None:
        """Report the event time that the entries of a file have reached."""
        self._files[topic].time = time

    def seek(self, offsets: Offsets) -> None:
        """Start over, passing over the lines before these offsets.

        A file that has fewer lines than that is a problem, found when its end is reached.
        """
        for path, file in self._files.items():
            file.reader.close()
            self._files[path] = _File(file.input, self._reader(path, offsets.get((path, 0), 0)))

    def progress(self) -> Progress:
        """Bytes read of all; the total is unknown when a pipe is among the files."""
        return Progress(sum(file.reader.read_bytes for file in self._files.values()), self._total)

    def lag(self) -> int | None:
        """Bytes left to read; None when a pipe is among the files."""
        read, total = self.progress()
        return None if total is None else max(0, total - read)

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.reader.close()

    def _reader(self, path: str, skip: int = 0) -> LineReader:
        return LineReader(path, chunk_bytes=self._chunk_bytes, skip=skip)

    def _read(self, file: _File) -> Batch | None:
        reader = file.reader
        is_first = file.batches == 0 and len(self._files) > 1
        limit = min(FIRST_LINES, self._batch_lines) if is_first else self._batch_lines
        lines = reader.read(limit, self._batch_bytes)
        file.batches += 1
        if reader.problem is not None and reader.problem not in self._problems:
            self._problems.append(reader.problem)
        if not lines:
            return None
        return Batch(
            topic=file.input.path,
            partition=0,
            first_offset=reader.next_line - len(lines),
            next_offset=reader.next_line,
            values=lines,
            kind=file.input.kind,
        )


def _turn(file: _File) -> tuple[datetime, int]:
    return file.time, file.batches


def _total_bytes(inputs: Sequence[Input]) -> int | None:
    total = 0
    for item in inputs:
        if item.path == STDIN:
            return None
        try:
            status = os.stat(item.path)
        except OSError:  # gone since; reading it will say so
            continue
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total
