"""The fast path: the messages of a batch that have a common shape, as columns of entries."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import contains, itemgetter

import numpy as np
import polars as pl

from pipelines.columns_json import read_json
from pipelines.columns_text import read_text
from pipelines.writers import NAMES, Writers

_LINE_FEED = ord("\n")
_BRACE = ord("{")
_FIRST = itemgetter(0)
_TEXT = b"[20"
_CRI = re.compile(rb"20\S{17,40} (?:stdout|stderr) F (?=\[20)")
_POD = re.compile(rb"\[pod/[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}\] (?=\[20)")


@dataclass(slots=True)
class _Part:
    """Messages of one shape: their positions, what is left of them, and who wrote each."""

    ordinals: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)

    def add(self, ordinal: int, line: bytes, key: bytes = b"") -> None:
        self.ordinals.append(ordinal)
        self.lines.append(line)
        self.keys.append(key)


class Columns:
    """What the fast path read of a batch.

    ``entries`` are frames of ``columns_text.TABLE``, ``ordinal`` and the writer's names;
    ``counts`` are entries by format, as ``Parsed`` names them; probes are counted apart.
    """

    def __init__(self, values: Sequence[bytes | None], writers: Writers) -> None:
        self.entries: list[pl.DataFrame] = []
        self.counts: Counter[str] = Counter()
        self._values = values
        self._writers = writers

    def odd(self) -> list[int]:
        """Positions of the messages that are left for the careful path."""
        left = np.ones(len(self._values), np.bool_)
        for table in self.entries:
            left[table["ordinal"].to_numpy()] = False
        return [int(ordinal) for ordinal in np.flatnonzero(left)]

    def read_text(self, part: _Part) -> None:
        """Read lines in which nothing but the access log entry is left."""
        places = pl.Series(part.ordinals, dtype=pl.UInt32)
        for name, table in read_text(part.lines):
            keys = part.keys
            if keys and len(table) < len(keys):
                keys = [keys[row] for row in table["row"].to_list()]
            self._add(name, table, places.gather(table["row"]), keys)

    def read_only_text(self, lines: Sequence[bytes], body: bytes) -> None:
        """Read a batch that is bare lines throughout; ``body`` is the same lines, joined."""
        for name, table in read_text(lines, body):
            self._add(name, table, table["row"], [])

    def read_objects(self, part: _Part) -> _Part:
        """Read JSON messages; give back the text lines found inside some of them."""
        found = read_json(part.lines)
        places = pl.Series(part.ordinals, dtype=pl.UInt32)
        for table, keys in found.entries:
            self._add("istio-json", table, places.gather(table["row"]), keys)
        inside = [part.ordinals[r] for r in found.line_rows]
        return _Part(inside, found.lines, found.line_keys)

    def _add(
        self,
        name: str,
        table: pl.DataFrame,
        ordinals: pl.Series,
        keys: Sequence[bytes],
    ) -> None:
        if not len(table):
            return
        probes = int(table["probe"].sum())
        self.counts.update({"probe": probes, f"access/{name}": len(table) - probes})
        table = table.drop("row").with_columns(ordinals.alias("ordinal"))
        if not any(keys):
            nobody = (pl.lit(None, pl.String).alias(name) for name in NAMES)
            self.entries.append(table.with_columns(nobody))
            return
        writers = self._writers.of(keys, lambda row: self._values[ordinals[row]] or b"")
        self.entries.append(table.hstack(writers))


def read_columns(values: Sequence[bytes | None], writers: Writers) -> Columns:
    """Read what can be read as columns; nothing in ``values`` can make this fail."""
    columns = Columns(values, writers)
    text, objects = _Part(), _Part()
    rest: Sequence[int] = range(len(values))
    lines = list(filter(None, values))
    whole = len(lines) == len(values) > 0
    if whole and lines[0].startswith(_TEXT):
        body = b"\n".join(lines)
        if np.count_nonzero(np.frombuffer(body, np.uint8) == _LINE_FEED) == len(lines) - 1:
            columns.read_only_text(lines, body)
            rest = [n for n in columns.odd() if not lines[n].startswith(_TEXT)]
    elif (
        whole
        and set(map(_FIRST, lines)) == {_BRACE}
        and not any(map(contains, lines, repeat(b"\n")))
    ):
        rest, objects = (), _Part(list(rest), lines)
    for ordinal in rest:
        if value := values[ordinal]:
            _sort(ordinal, value, text, objects)
    if objects.lines:
        inner = columns.read_objects(objects)
        if not text.lines:
            text = inner
        else:
            text.ordinals += inner.ordinals
            text.lines += inner.lines
            text.keys += inner.keys
    if text.lines:
        columns.read_text(text)
    return columns


def _sort(ordinal: int, value: bytes, text: _Part, objects: _Part) -> None:
    """Put a message into the part of its shape, without line end and framing, or into none."""
    if value[-1] in b"\r\n":
        value = value.rstrip(b"\r\n")
    if b"\n" in value:
        return
    if value[:3] == _TEXT:
        text.add(ordinal, value)
    elif value[:1] == b"{":
        objects.add(ordinal, value)
    elif match := _POD.match(value):
        text.add(ordinal, value[match.end() :], match[0])
    elif match := _CRI.match(value):
        text.add(ordinal, value[match.end() :])
