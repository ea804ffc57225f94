"""Any access log line in a default text layout: whole, prefixed, joined, mended or cut."""

from __future__ import annotations

from pipelines.formats import cut
from pipelines.formats.layouts import find_time, read_whole
from pipelines.formats.mend import mend
from pipelines.formats.values import Reading


def read(line: str) -> Reading | None:
    """Read a line whole, with whatever stands before its time (a shipper's or viewer's prefix).

    None when it is not whole in any default layout.
    """
    if "\n" in line.strip():
        return None
    begin = find_time(line)
    if begin is None:
        return None
    entry = line[begin.start() :].rstrip()
    whole = read_whole(entry)
    if cut.starts_untimed(line[: begin.start()]):
        return None
    following = find_time(entry, 1)
    return whole if following is None else _agreed(whole, entry[: following.start()])


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
    readings = [reading for reading in (_read_cut(line), _read_cut(mended)) if reading is not None]
    return max(readings, key=lambda reading: len(reading.fields), default=None)


def _read_cut(line: str) -> Reading | None:
    """What is certain of the first entry in a line."""
    begin = find_time(line)
    first = line if begin is None else line[: begin.start()]
    if begin is not None and not cut.starts_untimed(first):
        following = find_time(line, begin.end())
        first = line[begin.start() : following.start() if following else None]
    return cut.read_cut(first.lstrip())
