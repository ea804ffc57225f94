"""Control-plane events as the ledger takes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from pipelines.schema import CONTROL


class Event(NamedTuple):
    """A row of ``pipelines.schema.CONTROL``."""

    time: datetime
    kind: str
    proxy: str | None = None
    istiod: str | None = None
    version: str | None = None
    revision: str | None = None
    type: str | None = None
    full: bool | None = None
    request: bool | None = None
    counter: int | None = None
    push_version: str | None = None
    proxies: int | None = None
    reason: str | None = None
    error: str | None = None
    source: str | None = None
    node: str | None = None
    workload: str | None = None
    proxy_version: str | None = None

    def is_steady(self) -> bool:
        """Whether it is of a type that is pushed all the time: endpoints, secrets, names."""
        return self.type in {"EDS", "SDS", "NDS"}


def events_of(frame: pl.DataFrame) -> Iterator[Event]:
    """The rows of a ``CONTROL`` frame that have a time and a kind, in the frame's order."""
    if frame.is_empty():
        return
    rows = frame if frame.columns == list(CONTROL) else frame.select(list(CONTROL))
    for time, kind, *rest in rows.iter_rows():
        if time is not None and kind is not None:
            yield Event(time.replace(tzinfo=UTC), kind, *rest)
