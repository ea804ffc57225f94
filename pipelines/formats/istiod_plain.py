"""The two lines that istiod prints for every proxy that connects, read at once.

When a large mesh reconnects they come by the hundred thousand. What is read here, the careful
path reads alike (a test holds both to it); whatever is not exactly of this shape is left to it.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

_LINE = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z\tinfo\tads\t(?:"
    rb"ADS: new connection for node:([a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9-]*)-\d+"
    rb"|([CELR]DS): PUSH request for node:([a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9-]*)"
    rb" resources:\d+ size:[\d.]+[kM]?B(?: (?:empty|filtered):\d+)?(?: cached:\d+/\d+)?"
    rb")\n?"
)


MAX_LENGTH = 500


def read(value: bytes) -> dict[str, Any] | None:
    """What differs from an empty row of `schema.CONTROL`, or None for any other line."""
    match = _LINE.fullmatch(value) if len(value) <= MAX_LENGTH else None
    if match is None:
        return None
    try:
        time = datetime.fromisoformat(f"{match[1].decode()}+00:00")
    except ValueError:
        return None
    if match[2] is not None:
        return {"time": time, "kind": "connect", "proxy": match[2].decode(), "source": "istiod-log"}
    return {
        "time": time,
        "kind": "push",
        "proxy": match[4].decode(),
        "type": match[3].decode(),
        "request": True,
        "source": "istiod-log",
    }
