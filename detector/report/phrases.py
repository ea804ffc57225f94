"""Numbers, times, lists and untrusted names as people read them."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta


def clean(text: str, limit: int = 80) -> str:
    """``text`` without control and direction characters, at most ``limit`` characters long.

    What is too long loses its middle, since both ends of a pod or service name tell it apart.
    """
    kept = text if len(text) <= limit else text[:limit] + text[-limit:]
    kept = _harmless(kept)
    if len(text) <= limit:
        return kept
    tail = (limit - 1) // 3
    return kept[: limit - 1 - tail] + "…" + kept[-tail:]


@functools.lru_cache(maxsize=4_096)
def _harmless(text: str) -> str:
    """``text`` with a sign in place of what would steer a terminal or a page."""
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    if character.isprintable():
        return False
    category = unicodedata.category(character)
    return category.startswith("C") or category in {"Zl", "Zp"}


def some(names: Sequence[str], limit: int = 4) -> str:
    """The first ``limit`` names and how many there are besides: ``a, b, +2 more``."""
    shown = ", ".join(names[:limit])
    rest = len(names) - limit
    return f"{shown}, +{rest:,} more" if rest > 0 else shown


def count(number: float) -> str:
    """A count for people: whole from 10 upwards, one digit more below.

    >>> count(12345.6), count(3.25), count(0.004), count(0), count(7)
    ('12,346', '3.2', 'less than 0.1', '0', '7')
    """
    if number == int(number) or number >= 10:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 0.05 else "less than 0.1"


def plural(number: int, noun: str, many: str | None = None) -> str:
    """``1 incident``, ``2 incidents``; ``many`` for nouns that take no plain s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def percent(share: float) -> str:
    """A share between 0 and 1, never rounded to a certainty it is not.

    >>> percent(0.972), percent(0.9999), percent(0.0001), percent(1.0), percent(0.039)
    ('97%', '> 99%', '< 0.1%', '100%', '3.9%')
    """
    if 0.995 <= share < 1:
        return "> 99%"
    if 0 < share < 0.001:
        return "< 0.1%"
    return f"{100 * share:.1f}%" if 0 < share < 0.0995 else f"{100 * share:.0f}%"


def odds(share: float) -> str:
    """How often something happens: in percent, or once in so many where that is rare.

    >>> odds(0.25), odds(0.013), odds(0.004), odds(2.1e-7), odds(1e-30), odds(0)
    ('25%', '1.3%', '1 in 250', '1 in 4,800,000', 'less than 1 in a billion', 'never')
    """
    if share >= 0.01:
        return percent(share)
    if share <= 0:
        return "never"
    if share < 1e-9:
        return "less than 1 in a billion"
    every = 1 / share
    size = 10 ** (len(str(int(every))) - 2)
    return f"1 in {round(every / size) * size:,}"


def duration(span: timedelta) -> str:
    """A length of time in its two largest units.

    >>> duration(timedelta(seconds=58.2)), duration(timedelta(seconds=250))
    ('58 s', '4 min 10 s')
    >>> duration(timedelta(hours=2, minutes=3)), duration(timedelta(days=3))
    ('2 h 3 min', '3 d')
    """
    left = max(0, round(span.total_seconds()))
    if left == 0:
        return "under 1 s"
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
    return " ".join(part for part in parts[:2] if part)


def clock(at: datetime) -> str:
    """The time of day in UTC, to the second."""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def day(at: datetime) -> str:
    """The day in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"
