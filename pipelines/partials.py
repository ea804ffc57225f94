"""Joining the pieces into which a container runtime cuts long lines (16 KiB each)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from pipelines.identity import Identity
from pipelines.layers import peel_text
from pipelines.record import Record, Wrapping


@dataclass(slots=True)
class _Pending:
    """The pieces of one unfinished line, and what the envelope of the first one said."""

    envelope: str
    identity: Identity
    time: datetime | None
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    cut: bool = False

    def add(self, piece: str, max_bytes: int) -> None:
        """Append ``piece`` as far as there is room."""
        encoded = piece.encode()
        if self.size + len(encoded) > max_bytes:
            encoded = encoded[: max_bytes - self.size]
            piece = encoded.decode(errors="ignore")
            self.cut = True
        self.pieces.append(piece)
        self.size += len(encoded)

    def joined(self, stream: str, *, partial: bool) -> Record:
        """The line so far, its inner layers peeled."""
        wrapping = Wrapping(self.envelope, 1, self.identity, self.time)
        record = peel_text("".join(self.pieces), wrapping)
        return replace(record, partial=partial or self.cut, stream=stream)


class PartialJoiner:
    """Holds back pieces until their line is whole; everything else passes straight through.

    Memory is bounded by ``max_bytes`` (UTF-8) a line and ``max_streams`` unfinished lines. A line
    that outgrows its bound keeps its beginning and comes out marked partial, as does the oldest
    unfinished line when it has to make room for another.
    """

    def __init__(self, max_bytes: int = 64 * 1024, max_streams: int = 1024) -> None:
        self._max_bytes = max_bytes
        self._max_streams = max_streams
        self._pending: dict[str, _Pending] = {}

    def feed(self, record: Record) -> Record | None:
        """Give the next record in order; get a record to read on, or None while pieces lack."""
        if record.stream is None or record.piece is None:
            return record
        if record.partial:
            return self._hold(record.stream, record.piece, record)
        pending = self._pending.pop(record.stream, None)
        if pending is None:
            return record
        pending.add(record.piece, self._max_bytes)
        return pending.joined(record.stream, partial=False)

    def flush(self) -> list[Record]:
        """Hand out every unfinished line, marked partial: no more records will come."""
        left = [pending.joined(stream, partial=True) for stream, pending in self._pending.items()]
        self._pending.clear()
        return left

    def _hold(self, stream: str, piece: str, record: Record) -> Record | None:
        evicted = None
        pending = self._pending.get(stream)
        if pending is None:
            if len(self._pending) >= self._max_streams:
                oldest = next(iter(self._pending))
                evicted = self._pending.pop(oldest).joined(oldest, partial=True)
            pending = _Pending(record.envelope, record.identity, record.time)
            self._pending[stream] = pending
        pending.add(piece, self._max_bytes)
        return evicted

    def snapshot(self) -> bytes:
        """Everything held back, for :meth:`restore` in another process."""
        return msgspec.msgpack.encode(self._pending)

    def restore(self, state: bytes) -> None:
        """Take over what a snapshot held back.

        Raises:
            msgspec.DecodeError: ``state`` is not a snapshot.
        """
        self._pending = msgspec.msgpack.decode(state, type=dict[str, _Pending])
