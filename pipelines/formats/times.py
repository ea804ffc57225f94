"""How ``%START_TIME(FORMAT)%`` prints a time, and how to read it back.

The format is strftime's, with Envoy's own ``%s`` (seconds since 1970) and ``%f``, ``%1f`` to
``%9f`` (parts of a second; ``%f`` means nanoseconds). Without a zone the time is UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from pipelines.formats.values import TIMESTAMP, BadValueError, moment, precision_of

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SPECIFIERS = {
    "Y": r"(?P<year>[0-9]{4})",
    "y": r"(?P<short_year>[0-9]{2})",
    "m": r"(?P<month>[0-9]{1,2})",
    "d": r"(?P<day>[0-9]{1,2})",
    "e": r" ?(?P<day>[0-9]{1,2})",
    "b": r"(?P<name>[A-Za-z]{3,9})",
    "B": r"(?P<name>[A-Za-z]{3,9})",
    "h": r"(?P<name>[A-Za-z]{3,9})",
    "a": r"[A-Za-z]{3,9}",
    "A": r"[A-Za-z]{3,9}",
    "H": r"(?P<hour>[0-9]{1,2})",
    "I": r"(?P<hour>[0-9]{1,2})",
    "p": r"(?P<half>[AaPp][Mm])",
    "M": r"(?P<minute>[0-9]{1,2})",
    "S": r"(?P<second>[0-9]{1,2})",
    "s": r"(?P<epoch>[0-9]{1,12})",
    "z": r"(?P<zone>[+-][0-9]{2}:?[0-9]{2}|Z)",
    "Z": r"(?:UTC|GMT|Z)",
    "%": "%",
}
_SHORTHANDS = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M"}
_SPECIFIER = re.compile(r"%(E?)([0-9*]?)([A-Za-z%])")


class TimeFormat:
    """A compiled START_TIME format.

    ``pattern`` matches what it prints. ``readable`` is False when the format has a specifier
    that is not known here, or lacks a date: then the text is kept, but no time is read.
    """

    def __init__(self, text: str) -> None:
        self._iso = not text
        self.readable = True
        self._seen: set[str] = set()
        self.pattern = TIMESTAMP if self._iso else self._compile(text)
        self._matcher = re.compile(self.pattern)
        if not self._iso:
            date = ({"year", "short_year"}, {"month", "name"}, {"day"})
            dated = all(self._seen & either for either in date)
            self.readable = self.readable and ("epoch" in self._seen or dated)

    def _compile(self, text: str) -> str:
        for short, long in _SHORTHANDS.items():
            text = text.replace(short, long)
        pattern, at = "", 0
        for found in _SPECIFIER.finditer(text):
            pattern += re.escape(text[at : found.start()]) + self._specifier(found)
            at = found.end()
        return pattern + re.escape(text[at:])

    def _specifier(self, found: re.Match[str]) -> str:
        digits, letter = found[2], found[3]
        if letter == "f":
            return self._once("fraction", f"(?P<fraction>[0-9]{{{digits or 9}}})")
        known = _SPECIFIERS.get(letter)
        if known is None or (digits and letter != "S"):
            self.readable = False
            return r"[^\s\"]{1,64}"
        name = known.partition("?P<")[2].partition(">")[0]
        pattern = self._once(name, known) if name else known
        if letter == "S" and digits:
            pattern += r"\." + self._once("fraction", f"(?P<fraction>[0-9]{{{digits}}})")
        return pattern

    def _once(self, name: str, pattern: str) -> str:
        """A named group the first time, its bare pattern when the format repeats itself."""
        if name in self._seen:
            return pattern.replace(f"?P<{name}>", "?:")
        self._seen.add(name)
        return pattern

    def read(self, text: str) -> tuple[datetime, int]:
        """The time in ``text``, in UTC, and the digits of a second that it was printed with.

        Raises:
            BadValueError: ``bad-timestamp``.
        """
        if self._iso:
            return moment(text), precision_of(text)
        found = self._matcher.fullmatch(text) if self.readable else None
        if found is None:
            raise BadValueError("bad-timestamp")
        printed = {name: value for name, value in found.groupdict().items() if value is not None}
        fraction = printed.get("fraction", "")
        try:
            whole = _whole(printed) + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        except (ValueError, OverflowError, OSError):
            raise BadValueError("bad-timestamp") from None
        return whole, len(fraction)


def _whole(printed: dict[str, str]) -> datetime:
    """The time to the second."""
    if "epoch" in printed:
        return datetime.fromtimestamp(int(printed["epoch"]), tz=UTC)
    name = printed.get("name", "")[:3].lower()
    month = _MONTHS.index(name) + 1 if name else int(printed["month"])
    hour = int(printed.get("hour", "0"))
    if half := printed.get("half", "").lower():
        hour = hour % 12 + (12 if half == "pm" else 0)
    year = int(printed["year"]) if "year" in printed else 2000 + int(printed["short_year"])
    local = datetime(
        year,
        month,
        int(printed["day"]),
        hour,
        int(printed.get("minute", "0")),
        int(printed.get("second", "0")),
        tzinfo=_zone(printed.get("zone", "Z")),
    )
    return local.astimezone(UTC)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
