"""Which row belongs to which key: create, cap, evict, snapshot."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np

from models.contract import Columns, Floats, Ints, Part

Key = TypeVar("Key", bound=Hashable)


class Bank(Columns, Generic[Key]):
    """A table of rows under keys, together with the parts whose columns it sizes.

    Rows of evicted keys are used again. The worth of a key is its traffic, forgotten over time:
    under pressure the owner evicts the `least_worthy` tenth.

    Args:
        parts: Columns that grow and are wiped together with the rows.
        limit: Rows at the most; must be at least 2.
    """

    columns = ("worth",)

    def __init__(self, parts: Iterable[Part], limit: int) -> None:
        self.parts = list(parts)
        self.limit = limit
        self.evicted = 0
        self.worth: Floats = np.zeros(0)
        self.keys: list[Key | None] = [None]  # row 0 belongs to no key
        self._rows: dict[Key, int] = {}
        self._free: list[int] = []
        self._resize(64)

    def attach(self, part: Part) -> None:
        """Add a part whose columns shall follow the rows too."""
        part.grow(self.capacity)
        self.parts.append(part)

    def __len__(self) -> int:
        """Number of keys."""
        return len(self._rows)

    @property
    def capacity(self) -> int:
        """Length of every column."""
        return int(self.worth.size)

    def row(self, key: Key) -> int:
        """Row of ``key``, 0 when it has none."""
        return self._rows.get(key, 0)

    def key(self, row: int) -> Key:
        """Key of ``row``.

        Raises:
            KeyError: If the row belongs to nobody.
        """
        key = self.keys[row]
        if key is None:
            raise KeyError(row)
        return key

    def create(self, key: Key) -> int:
        """A fresh row for a new ``key``; not to be called when `full`."""
        if self._free:
            row = self._free.pop()
            self.keys[row] = key
        else:
            row = len(self.keys)
            self.keys.append(key)
            if row >= self.capacity:
                self._resize(2 * self.capacity)
        self._rows[key] = row
        return row

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._rows) >= self.limit

    def least_worthy(self, spare: Callable[[Key], bool], present: Floats) -> Ints:
        """Rows of the least worthy tenth, the least worthy first.

        Args:
            spare: which keys are protected.
            present: by row, what will be added to their worth.
        """
        rows = np.array([row for key, row in self._rows.items() if not spare(key)], dtype=np.int64)
        order = np.lexsort((rows, self.worth[rows] + present[rows]))
        return rows[order[: max(len(self._rows) // 10, 1)]]

    def evict(self, rows: Ints) -> None:
        """Forget the keys of ``rows``."""
        for row in rows.tolist():
            del self._rows[self.key(row)]
            self.keys[row] = None
            self._free.append(row)
        self.reset(rows)
        for part in self.parts:
            part.reset(rows)
        self.evicted += int(rows.size)

    def restore(self, keys: list[Key | None], free: list[int], evicted: int) -> None:
        """Take over the keys of a snapshot, by row; the parts load their own columns."""
        self.keys, self._free, self.evicted = list(keys), list(free), evicted
        self._rows = {key: row for row, key in enumerate(keys) if key is not None}

    @property
    def free(self) -> list[int]:
        """Rows to be used again, in order of use from the end."""
        return list(self._free)

    def _resize(self, capacity: int) -> None:
        self.grow(capacity)
        for part in self.parts:
            part.grow(capacity)
