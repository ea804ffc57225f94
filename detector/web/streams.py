"""Those who follow what changes: how many there are, and when there is something for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from detector import clock
from detector.errors import StoreError
from detector.store.news import Position, position
from detector.store.shared import SharedStore

LOOK_S = 1.0
"""Between two looks at the store, however many follow: a fifth of the worker's usual step."""
HEARTBEAT_S = 15.0
"""Proxies between us and a browser close what is silent for a minute, some after half of one."""

T = TypeVar("T")


class Streams:
    """What all followers share.

    Each follower knows what it has seen, and asks the store itself when that is not all: nothing
    waits in memory for a slow one, who merely sees fewer states in between.

    Args:
        store: what is followed.
        limit: followers at once.

    Attributes:
        open: followers at present.
    """

    def __init__(self, store: SharedStore, limit: int) -> None:
        self._store = store
        self._limit = limit
        self.open = 0
        self._end = asyncio.Event()
        self._looking = asyncio.Lock()
        self._looked_s = float("-inf")
        self._position: Position | None = None

    @property
    def full(self) -> bool:
        """Whether no further follower is taken."""
        return self.open >= self._limit

    def close(self) -> None:
        """Let all streams end."""
        self._end.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a follower while it follows."""
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    async def moves(self, seen: Position, lasts_s: float) -> AsyncIterator[Position | None]:
        """Where changes end, whenever they end elsewhere; None when it is time for a heartbeat.

        Ends after ``lasts_s`` seconds, or with `close`.
        """
        begun_s = quiet_s = clock.monotonic_s()
        while not self._end.is_set() and (now_s := clock.monotonic_s()) - begun_s < lasts_s:
            now = await self._look()
            if now is not None and now != seen:
                seen, quiet_s = now, now_s
                yield now
            elif now_s - quiet_s >= HEARTBEAT_S:
                quiet_s = now_s
                yield None
            try:
                await asyncio.wait_for(self._end.wait(), LOOK_S)
            except TimeoutError:
                continue

    async def _look(self) -> Position | None:
        """Where changes end, as of a look at the most `LOOK_S` ago; None while nobody can tell."""
        async with self._looking:
            if clock.monotonic_s() - self._looked_s >= LOOK_S:
                try:
                    self._position = await run_in_threadpool(self._read)
                except StoreError:
                    self._position = None
                self._looked_s = clock.monotonic_s()
            return self._position

    def _read(self) -> Position:
        with self._store.reading() as connection:
            return position(connection)
