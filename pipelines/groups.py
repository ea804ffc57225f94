"""Partial sums per group, in bounded memory."""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl

_SLACK = 200_000
"""Rows taken in before they are summed again: summing costs, rows cost memory."""

_FEW = 1_000
"""Rows that are not worth a sum of their own."""

MAX_NAMES = 20_000
"""Different values of each of ``CHOSEN`` kept per bucket."""

CHOSEN = ("authority", "sni", "local")
"""Names that a client can choose: what it asks for, and, through some proxies, where."""


class Groups:
    """Counts by key; adding frames in any order and any cut gives the same sums.

    A client can invent names, so of each key of ``CHOSEN`` only the ``max_names`` values with
    the lowest hashes are told apart in one bucket; the others become null, which is resolved to
    "unknown". Which ones stay does not depend on the order in which they came: a name that was
    dropped is above the bound for good, since the bound only falls.

    Attributes:
        rows: rows held.
        folded: names of entries that became null so.
    """

    def __init__(self, keys: Sequence[str], max_names: int = MAX_NAMES) -> None:
        self._keys = list(keys)
        self._chosen = [name for name in CHOSEN if name in self._keys]
        self._max_names = max_names
        self._parts: list[pl.DataFrame] = []
        self.rows = self._summed = self.folded = 0

    def add(self, part: pl.DataFrame) -> None:
        """Take in rows of the keys and ``count``; those that count 0 are forgotten."""
        if len(part) > _FEW:  # now, while they are in the processor's cache
            part = self._sum(part)
        self._parts.append(part)
        self.rows += len(part)
        if self.rows > 2 * self._summed + _SLACK:
            self.summed()

    def summed(self) -> pl.DataFrame | None:
        """All groups; None before the first was added."""
        if not self._parts:
            return None
        if len(self._parts) == 1 and self.rows == self._summed:
            return self._parts[0]
        table = self._sum(pl.concat(self._parts))
        wide = [name for name in self._chosen if table[name].n_unique() > self._max_names]
        for name in wide:
            table = self._bounded(table, name)
        if wide:
            table = self._sum(table)
        self._parts = [table]
        self.rows = self._summed = len(table)
        return table

    def take(self, before: int) -> pl.DataFrame | None:
        """Remove and return the groups of buckets below ``before``."""
        table = self.summed()
        if table is None:
            return None
        self.replace(table.filter(pl.col("bucket") >= before))
        return table.filter(pl.col("bucket") < before)

    def drop(self, after: int) -> int:
        """Remove the groups of buckets above ``after``; how many entries those were."""
        table = self.summed()
        if table is None:
            return 0
        self.replace(table.filter(pl.col("bucket") <= after))
        return int(table.filter(pl.col("bucket") > after)["count"].sum())

    def replace(self, table: pl.DataFrame, *, summed: bool = True) -> None:
        """Put ``table`` in the place of everything; say whether its keys are distinct."""
        self._parts = [table]
        self.rows = len(table)
        self._summed = len(table) if summed else 0

    def snapshot(self) -> bytes:
        """Everything; :meth:`restore` takes it back."""
        table = self.summed()
        if table is None:
            return b""
        buffer = io.BytesIO()
        table.write_ipc(buffer, compression="zstd")
        return buffer.getvalue()

    def restore(self, state: bytes) -> None:
        """Put what :meth:`snapshot` gave in the place of everything."""
        self._parts, self.rows, self._summed = [], 0, 0
        if state:
            self.replace(pl.read_ipc(io.BytesIO(state)).select(*self._keys, "count"))

    def _sum(self, table: pl.DataFrame) -> pl.DataFrame:
        used = [name for name in self._keys if table[name].null_count() < len(table)]
        summed = table.lazy().group_by(used or self._keys).agg(pl.col("count").sum())
        unused = (pl.lit(None, table.schema[n]).alias(n) for n in self._keys if n not in used)
        return (
            summed.filter(pl.col("count") > 0)
            .with_columns(unused)
            .select(*self._keys, "count")
            .collect(engine="streaming")
        )

    def _bounded(self, table: pl.DataFrame, name: str) -> pl.DataFrame:
        """``table`` with the values of ``name`` beyond the bound of each bucket made null."""
        named = table.with_columns(pl.col(name).hash(seed=0).alias("hash"))
        bounds = (
            named.filter(pl.col(name).is_not_null())
            .group_by("bucket")
            .agg(pl.col("hash").unique().bottom_k(self._max_names).max().alias("bound"))
        )
        placed = named.join(bounds, on="bucket", how="left", maintain_order="left")
        beyond = pl.col(name).is_not_null() & (pl.col("hash") > pl.col("bound"))
        self.folded += int(placed.filter(beyond)["count"].sum())
        kept = pl.when(~beyond).then(name).alias(name)
        return placed.with_columns(kept).drop("hash", "bound")
