"""The only reader of the clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(tz=UTC)  # noqa: TID251 - the one place where this is allowed


def monotonic_s() -> float:
    """Seconds that never go back: for durations and deadlines."""
    return time.monotonic()
