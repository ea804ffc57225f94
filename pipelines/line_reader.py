"""Lines of one file, read bit by bit: what is held of it is a chunk, never the file."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from typing import BinaryIO

from pipelines.inflate import DamagedError, inflate
from pipelines.inputs import STDIN
from pipelines.source import FileProblem

LINE_BYTES = 64 * 1024
"""The longest line. A longer one is delivered cut to one byte more, for the parser to reject."""


class LineReader:
    """Reads one file forward.

    A regular file is open only during `read`, so that thousands may take turns; one replaced in
    between is noticed. Lines come without their end (LF or CR LF); the last one needs none.

    Args:
        path: a file's path, or ``-`` for standard input.
        chunk_bytes: bytes to take from the file at once.
        skip: lines to pass over at the start.
    """

    def __init__(self, path: str, *, chunk_bytes: int, skip: int = 0) -> None:
        self.path = path
        self.next_line = 0  # number of the next line to deliver, from 0
        self.read_bytes = 0
        self.problem: FileProblem | None = None
        self.done = False
        self._chunk_bytes = chunk_bytes
        self._skip = skip
        self._seen_lines = 0  # delivered, skipped and pending
        self._handle: BinaryIO | None = None
        self._identity: tuple[int, int] | None = None
        self._groups = self._split(self._inflated())
        self._pending: list[bytes] = []

    def read(self, max_lines: int, max_bytes: int) -> list[bytes]:
        """Up to ``max_lines`` lines, stopping soon after ``max_bytes``; empty only at the end.

        Sets `done` at the end of the file and at a damage, which `problem` then describes.
        """
        lines: list[bytes] = []
        size = 0
        while len(lines) < max_lines and size < max_bytes:
            if not self._pending:
                self._pending = self._next_group()
                if not self._pending:
                    break
            taken = self._pending[: max_lines - len(lines)]
            self._pending = self._pending[len(taken) :]
            size += sum(map(len, taken))
            lines += taken
        self.next_line += len(lines)
        self._rest()
        return lines

    def close(self) -> None:
        """Let go of the file; nothing more is delivered."""
        self.done = True
        self._groups = iter(())
        self._pending = []
        if self._handle is not None and self.path != STDIN:
            self._handle.close()
        self._handle = None

    def _next_group(self) -> list[bytes]:
        """Lines after those to skip; records why there are none."""
        try:
            for group in self._groups:
                self._seen_lines += len(group)
                passed = min(self._skip, len(group))
                self._skip -= passed
                self.next_line += passed
                if passed < len(group):
                    return group[passed:]
            if self._skip:
                self._fail(
                    f"ends before line {self._seen_lines + self._skip + 1}, the next to read"
                )
        except DamagedError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"cannot be read ({error.strerror or error})")
        self.done = True
        return []

    def _fail(self, reason: str) -> None:
        started = self.read_bytes > 0
        self.problem = FileProblem(
            self.path,
            reason,
            self._seen_lines + 1 if started else None,
            self.read_bytes if started else None,
        )

    def _split(self, pieces: Iterator[bytes]) -> Iterator[list[bytes]]:
        """Lines of each piece. A damage leaves the line it cuts undelivered."""
        rest = b""
        for piece in pieces:
            text = rest + piece
            lines = text.split(b"\n")
            # an overlong line keeps its head only; one byte more, lest a CR cut there seem its end
            rest = lines.pop()[: LINE_BYTES + 2]
            if lines:
                yield _trimmed(lines, may_have_cr=b"\r" in text)
        if rest:
            yield _trimmed([rest], may_have_cr=True)

    def _inflated(self) -> Iterator[bytes]:
        yield from inflate(self._chunks(), self.path)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            chunk = self._opened().read(self._chunk_bytes)
            if not chunk:
                return
            self.read_bytes += len(chunk)
            yield chunk

    def _opened(self) -> BinaryIO:
        if self._handle is not None:
            return self._handle
        if self.path == STDIN:
            handle: BinaryIO = sys.stdin.buffer
        else:
            handle = open(self.path, "rb", buffering=0)  # noqa: SIM115 - outlives this function
            self._check_same(handle)
        self._handle = handle
        return handle

    def _check_same(self, handle: BinaryIO) -> None:
        status = os.fstat(handle.fileno())
        identity = (status.st_dev, status.st_ino)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity or status.st_size < self.read_bytes:
            handle.close()
            raise DamagedError("was replaced or cut while it was read; read a copy")
        else:
            handle.seek(self.read_bytes)

    def _rest(self) -> None:
        """Close a regular file until the next turn; a pipe would lose its bytes."""
        handle = self._handle
        if handle is None or self.path == STDIN:
            return
        if self.done or stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            handle.close()
            self._handle = None


def _trimmed(lines: list[bytes], *, may_have_cr: bool) -> list[bytes]:
    """Lines without CR and not overlong; most groups have neither and pass as they are."""
    if may_have_cr or max(map(len, lines)) > LINE_BYTES:
        return [line.removesuffix(b"\r")[: LINE_BYTES + 1] for line in lines]
    return lines
