"""Any access log line in a default text layout: whole, prefixed, joined, mended or cut."""

from __future__ import annotations

import re

from pipelines.formats import cut
from pipelines.formats.layouts import find_other_time, find_time, read_untimed, read_whole
from pipelines.formats.mend import is_marked, mend
from pipelines.formats.values import Reading, put_time

_NEXT_PREFIX = re.compile(r'(?<=")[A-Za-z][\w.-]{0,62}\s*$')
"""The beginning of a second entry's prefix, right behind the quote that ends the first."""

_CLIENTS = frozenset({"method", "path", "x_forwarded_for", "user_agent", "authority"})


def read(line: str) -> Reading | None:
    """Read a line whole, with whatever stands before its time (a shipper's or viewer's prefix).

    None when it is not whole in any default layout.
    """
    if "\n" in line.strip():
        return None
    begin = find_time(line)
    if begin is None:
        return _read_other_time(line)
    entry = line[begin.start() :].rstrip()
    whole = read_whole(entry)
    if cut.starts_untimed(line[: begin.start()]):
        return None
    following = find_time(entry, 1)
    if following is not None:
        return _agreed(whole, _NEXT_PREFIX.sub("", entry[: following.start()]))
    if whole is None or (is_marked(entry) and _is_marked(whole)):
        return None
    return whole


def _is_marked(reading: Reading) -> bool:
    """Whether marks of a page have got into values that no client chooses."""
    names = reading.fields.keys() - _CLIENTS
    if "protocol" not in reading.fields:
        names |= {"path"}
    return any(is_marked(reading.fields.get(name)) for name in names)


def _read_other_time(line: str) -> Reading | None:
    """Read a line whose time is printed in a format of the mesh's own."""
    begin = find_other_time(line)
    if begin is None or not begin.group(1).isascii():
        return None
    reading = read_untimed(line.rstrip(), begin.end())
    if reading is not None:
        reading.format = "custom-text"
        put_time(reading, begin.group(1))
    return reading


def _agreed(whole: Reading | None, first: str) -> Reading | None:
    """Read an entry with a second one inside: two that were joined, or one that was forged.

    Where both can be, only what is the same in either is kept.
    """
    joined = read_whole(first.rstrip())
    if joined is None or whole is None:
        joined = joined or whole
        if joined is not None and joined is not whole:
            joined.partial = True
        return joined
    same = {name: value for name, value in joined.fields.items() if _same(whole, name, value)}
    return Reading(joined.format, same, partial=True, precision=joined.precision)


def _same(whole: Reading, name: str, value: object) -> bool:
    return name in whole.fields and whole.fields[name] == value


def read_damaged(line: str) -> Reading | None:
    """What is certain of a line that was cut or distorted on its way; None when nothing is."""
    mended = mend(line)
    if mended == line:
        return _read_cut(line)
    if (whole := read(mended)) is not None:
        whole.partial = True
        return whole
    found = [_read_cut(text) for text in (line, mended) if "\n" not in text.strip()]
    readings = [reading for reading in found if reading is not None]
    return max(readings, key=lambda reading: len(reading.fields), default=None)


def _read_cut(line: str) -> Reading | None:
    """What is certain of the first entry in a line."""
    begin = find_time(line)
    first = line if begin is None else line[: begin.start()]
    if begin is not None and not cut.starts_untimed(first):
        following = find_time(line, begin.end())
        first = line[begin.start() :]
        if following is not None:
            first = _NEXT_PREFIX.sub("", line[begin.start() : following.start()])
    return cut.read_cut(first.lstrip())
