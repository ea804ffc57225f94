"""Match a line against a text format without backtracking.

Between two literals stands one operator's value. Places where each operator can begin are found
from the left, then one reading is chosen from the right. Both passes visit a place once for each
operator, so no line can make this slow, which a regular expression with one ``.*`` for each
header would be.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.formats.operators import Operator, split
from pipelines.formats.times import TimeFormat
from pipelines.formats.values import FLAGS

_NUMBERS = frozenset(
    {"bytes_received", "bytes_sent", "duration_ms", "upstream_service_time_ms", "response_code"}
)
_WORDS = frozenset(
    {
        "method",
        "protocol",
        "upstream_host",
        "upstream_cluster",
        "upstream_local_address",
        "downstream_local_address",
        "downstream_remote_address",
        "requested_server_name",
        "route_name",
        "request_id",
        "authority",
    }
)
_GROUP = re.compile(r"\(\?P<[a-z_]+>")
_PREFIX = 512  # a shipper's or viewer's prefix before the line is no longer than this
_TRIES = 64
_PLACES = 1024  # more quotes and spaces than this are no log line; it bounds the work for each


@dataclass(frozen=True, slots=True)
class _Slot:
    """One operator's place: what it can print, and the literal after it."""

    operator: Operator
    closed: re.Pattern[str] | None  # None when its value may hold anything
    loose: bool  # its value may hold quotes
    literal: str


class Template:
    """A compiled text format; ``operators`` are in order of appearance.

    ``alone`` says that the format is one operator and nothing else.

    Raises:
        FormatError: from the constructor, when the format is malformed.
    """

    def __init__(self, text: str) -> None:
        parts = _separated(split(text))
        first = parts[0] if parts else ""
        self._lead = first if isinstance(first, str) else ""
        self._slots: list[_Slot] = []
        for at, part in enumerate(parts):
            if isinstance(part, Operator):
                after = parts[at + 1] if at + 1 < len(parts) else ""
                self._slots.append(_slot(part, after if isinstance(after, str) else ""))
        self._plain = _plain_pattern(self._lead, self._slots)
        self.operators = [slot.operator for slot in self._slots]
        self.alone = len(parts) == 1 and len(self.operators) == 1

    def match(self, line: str, *, all_loose: bool = False) -> list[str] | None:
        """What each operator printed, or None when the line is not of this format.

        Only a path or a user agent may hold quotes, unless ``all_loose`` lets any header.
        """
        if plain := self._plain.fullmatch(line):
            return list(plain.groups())
        starts = self._forward(line, all_loose=all_loose)
        if len(starts) <= len(self._slots) or not starts[-1]:
            return None
        return self._backward(line, starts, len(line), all_loose=all_loose)

    def match_start(self, line: str) -> list[str]:
        """What the first operators printed, as far as that is certain of a line that was cut."""
        starts = self._forward(line, all_loose=False)
        while starts and len(starts[-1]) != 1:
            starts.pop()
        if len(starts) < 2:
            return []
        return self._backward(line, starts, starts[-1][0], all_loose=False)

    def _forward(self, line: str, *, all_loose: bool) -> list[list[int]]:
        """Where each operator can begin, and at last where the line's end can be."""
        starts = [_after(line, self._lead)]
        for index, slot in enumerate(self._slots):
            last = index == len(self._slots) - 1
            ends = _ends(line, starts[-1], slot, all_loose=all_loose, last=last)
            if not ends:
                break
            starts.append([end + len(slot.literal) for end in ends[:_PLACES]])
        return starts

    def _backward(
        self, line: str, starts: Sequence[Sequence[int]], end: int, *, all_loose: bool
    ) -> list[str]:
        """Choose one reading: values are as short as can be, but what may hold quotes is long."""
        values = []
        for slot, begins in reversed(list(zip(self._slots, starts[:-1], strict=False))):
            stop = end - len(slot.literal)
            end = _choose(line, begins, stop, slot, all_loose=all_loose)
            values.append(line[end:stop])
        return values[::-1]


def _separated(parts: list[str | Operator]) -> list[str | Operator]:
    """Join operators with nothing between them: where one ends, nobody can tell."""
    joined: list[str | Operator] = []
    for part in parts:
        before = joined[-1] if joined else ""
        if isinstance(part, Operator) and isinstance(before, Operator):
            joined[-1] = Operator(f"{before.label}+{part.label}")
        else:
            joined.append(part)
    return joined


def _slot(operator: Operator, literal: str) -> _Slot:
    field = operator.field
    pattern = None
    if field == "start_time":
        pattern = TimeFormat(operator.argument).pattern + "|-"
    elif field in _NUMBERS:
        pattern = "[0-9]{1,19}|-|"
    elif field == "response_flags":
        pattern = FLAGS if operator.name == "RESPONSE_FLAGS" else r"[A-Za-z0-9,_-]{0,512}"
    elif field in _WORDS:
        pattern = r"[^\s\"]{0,4096}"
    loose = field in ("path", "user_agent")
    return _Slot(operator, re.compile(pattern) if pattern else None, loose, literal)


def _plain_pattern(lead: str, slots: Sequence[_Slot]) -> re.Pattern[str]:
    """Matches the common line, in which no value holds the character that ends it.

    Such a line has one reading only, and a mismatch is found without backtracking.
    """
    pattern = re.escape(lead)
    for slot in slots:
        if slot.closed is not None and slot.operator.field not in _WORDS:
            value = _GROUP.sub("(?:", slot.closed.pattern)
        else:
            excluded = re.escape(slot.literal[:1]) + (r"\s\"" if slot.closed else r"\n")
            value = f"[^{excluded}]*"
        pattern += f"({value}){re.escape(slot.literal)}"
    return re.compile(pattern)


def _after(line: str, lead: str) -> list[int]:
    """Where the first operator can begin: after the format's first literal."""
    if not lead:
        return [0]
    places = []
    at = line.find(lead, 0, _PREFIX)
    while at >= 0:
        places.append(at + len(lead))
        at = line.find(lead, at + 1, _PREFIX)
    return places


def _ends(line: str, starts: list[int], slot: _Slot, *, all_loose: bool, last: bool) -> list[int]:
    """Where the value of ``slot`` can end, if it begins at one of ``starts``; ascending."""
    if not starts:
        return []
    if last:
        stop = len(line) - len(slot.literal)
        ended = stop >= 0 and line.endswith(slot.literal)
        fits = ended and any(_fits(line, at, stop, slot, all_loose) for at in starts)
        return [stop] if fits else []
    if slot.closed is not None:
        found: set[int] = set()
        for at in starts:
            found.update(_closed_ends(line, at, slot.closed, slot.literal))
        return sorted(found)
    return _open_ends(line, starts, slot, all_loose=all_loose)


def _closed_ends(line: str, start: int, closed: re.Pattern[str], literal: str) -> list[int]:
    longest = closed.match(line, start)
    if longest is None:
        return []
    limit = longest.end() + len(literal)
    ends: list[int] = []
    at = line.find(literal, start, limit)
    while at >= 0 and len(ends) < _TRIES:
        if closed.fullmatch(line, start, at):
            ends.append(at)
        at = line.find(literal, at + 1, limit)
    return ends


def _open_ends(line: str, starts: list[int], slot: _Slot, *, all_loose: bool) -> list[int]:
    ends: list[int] = []
    at = line.find(slot.literal, starts[0])
    quotes = [] if slot.loose or all_loose else [m.start() for m in re.finditer('"', line)]
    while at >= 0 and len(ends) < _PLACES:
        start = starts[bisect_right(starts, at) - 1]
        if bisect_left(quotes, start) == bisect_left(quotes, at):
            ends.append(at)
        at = line.find(slot.literal, at + 1)
    return ends


def _fits(line: str, start: int, stop: int, slot: _Slot, all_loose: bool) -> bool:
    """Whether ``slot`` can have printed what stands between two places."""
    if start > stop:
        return False
    if slot.closed is not None:
        return slot.closed.fullmatch(line, start, stop) is not None
    return slot.loose or all_loose or line.find('"', start, stop) < 0


def _choose(line: str, starts: Sequence[int], stop: int, slot: _Slot, *, all_loose: bool) -> int:
    """The place among ``starts`` where the value that ends at ``stop`` begins."""
    if slot.loose:
        return starts[0]
    at = bisect_right(starts, stop) - 1
    while at > 0 and not _fits(line, starts[at], stop, slot, all_loose):
        at -= 1
    return starts[at]
