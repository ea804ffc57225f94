"""Charts that were drawn already: to draw one takes longer than all else on its page."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Drawn(Generic[T]):
    """The latest results of a pure function, by what they were made from.

    Args:
        most: so many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._lock = Lock()

    def get(self, facts: object, make: Callable[[], T]) -> T:
        """The result for these facts, made when it is not there."""
        key = blake2b(msgspec.msgpack.encode(facts), digest_size=16).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made
