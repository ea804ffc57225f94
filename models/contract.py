"""What every part of a baseline promises.

A baseline is a table: one *row* per series, kept as numpy arrays and never as objects. Each part
(`Rates`, `Spans`, `Peaks`) owns a few columns of that table and keeps these promises:

* **Score before learn.** Nothing that scores changes what a later score will be; only the
  methods that say so learn.
* **Nothing from the future.** A score depends on earlier buckets and the present one alone.
* **Bounded.** Memory is a constant times the number of rows; no row grows with time.
* **Faithful snapshots.** ``load(state())`` changes no later score, bit for bit.
* **Finite.** Counts are finite and never negative; one bad number must not poison a row.

Row 0 is never a series: it takes what has no row, so that arrays need no special cases.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
State = dict[str, NDArray[np.generic]]


class Holder(Protocol):
    """Whatever must survive a restart."""

    def state(self) -> State:
        """Everything that later scores depend on, as arrays."""

    def load(self, state: State) -> None:
        """Become what `state` described."""


class Part(Holder, Protocol):
    """A set of columns over the rows of a `Bank`."""

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` rows; existing rows keep their values."""

    def reset(self, rows: Ints) -> None:
        """Forget ``rows``: they are as new."""


class Columns:
    """A `Part` by naming its arrays; the last axis of each is the row."""

    columns: ClassVar[tuple[str, ...]] = ()

    def grow(self, capacity: int) -> None:
        """Make room for ``capacity`` rows; new rows are zero."""
        for name in self.columns:
            old = getattr(self, name)
            new = np.zeros((*old.shape[:-1], capacity), dtype=old.dtype)
            new[..., : old.shape[-1]] = old
            setattr(self, name, new)

    def reset(self, rows: Ints) -> None:
        """Set ``rows`` to zero in every column."""
        for name in self.columns:
            getattr(self, name)[..., rows] = 0

    def state(self) -> State:
        """Copies of all columns by name."""
        return {name: getattr(self, name).copy() for name in self.columns}

    def load(self, state: State) -> None:
        """Take over copies of the columns of ``state``."""
        for name in self.columns:
            setattr(self, name, np.array(state[name], dtype=getattr(self, name).dtype))
