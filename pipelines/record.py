"""What is left of a message once its envelopes are off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.identity import NOBODY, Identity


@dataclass(slots=True)
class Record:
    """One line or document, and what its envelopes said about it.

    Exactly one of ``line``, ``document`` and ``reason`` is set. Strings hold no surrogates.
    """

    line: str | None = None
    """The line as its process wrote it, without line end."""
    document: dict[str, Any] | None = None
    """A JSON object that itself carries the fields of a log entry, with the shipper's beside."""
    identity: Identity = NOBODY
    time: datetime | None = None
    """When the innermost envelope says the line was written."""
    envelope: str = "bare"
    """Names of the layers, outermost first: ``fluent-bit/cri``."""
    partial: bool = False
    """The line is a piece of a longer one, or was cut."""
    stream: str | None = None
    """Key under which pieces of one line belong together."""
    reason: str | None = None
    """Why nothing could be peeled: compressed, binary, empty, nested-too-deep, notice, ..."""
    piece: str | None = None
    """The text right under the container runtime's framing: what a PartialJoiner joins."""


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What the layers peeled so far have said."""

    envelope: str = ""
    depth: int = 0
    identity: Identity = NOBODY
    time: datetime | None = None
    output: str | None = None
    path: str | None = None
    piece: str | None = None

    def around(
        self,
        layer: str,
        *,
        identity: Identity = NOBODY,
        time: datetime | None = None,
        output: str | None = None,
        path: str | None = None,
        piece: str | None = None,
    ) -> Wrapping:
        """This wrapping with one more layer inside; the innermost time and stream are kept."""
        return Wrapping(
            f"{self.envelope}/{layer}" if self.envelope else layer,
            self.depth + 1,
            self.identity.filled_by(identity),
            time or self.time,
            output or self.output,
            path or self.path,
            self.piece if piece is None else piece,
        )

    def record(
        self,
        *,
        line: str | None = None,
        document: dict[str, Any] | None = None,
        reason: str | None = None,
        partial: bool = False,
    ) -> Record:
        """The record that these layers wrap."""
        stream = None if self.piece is None else self._stream()
        return Record(
            line,
            document,
            self.identity,
            self.time,
            self.envelope or "bare",
            partial,
            stream,
            reason,
            self.piece,
        )

    def _stream(self) -> str:
        who = self.identity
        if who.pod is None:
            return f"{self.path or ''}#{self.output or ''}"
        return f"{who.namespace or ''}/{who.pod}/{who.container or ''}#{self.output or ''}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCALES = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000))


def read_time(value: object) -> datetime | None:
    """A time as shippers print it, UTC: RFC 3339 text, or a count since 1970.

    The unit of a count shows in its size: seconds below 1e11, then milli-, micro- and
    nanoseconds. Text without an offset is UTC. None for anything else.
    """
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str):
            stamp = datetime.fromisoformat(value)
            return stamp.astimezone(UTC) if stamp.tzinfo else stamp.replace(tzinfo=UTC)
        if isinstance(value, int | float) and value > 0:
            for bound, per_second in _SCALES:
                if value < bound:
                    return _EPOCH + timedelta(seconds=value / per_second)
    except (ValueError, OverflowError):
        return None
    return None
