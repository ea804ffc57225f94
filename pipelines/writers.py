"""Who wrote a message, remembered by the bytes that say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from pipelines.envelopes import peel
from pipelines.identity import NOBODY, Identity

NAMES = ("pod", "namespace", "workload", "proxy_version")
"""What the frames keep of an identity."""

_MAX_WRITERS = 65_536
_MAX_BYTES = 64 * 1024 * 1024


class Writers:
    """Identities by a key, the part of a message that names its writer.

    A pod repeats the same prefix or the same ``kubernetes`` object on every line, so only the
    first message of each is peeled with care. Memory is bounded: when ``max_writers`` or 64 MiB
    of keys are known all are forgotten and learned again.
    """

    def __init__(self, max_writers: int = _MAX_WRITERS) -> None:
        self._max_writers = max_writers
        self._codes: dict[bytes, int] = {}
        self._known: list[Identity] = []
        self._bytes = 0

    def of(self, keys: Sequence[bytes], message: Callable[[int], bytes]) -> pl.DataFrame:
        """The names of each message's writer; an empty key means nobody.

        ``message`` gives the message at a position in ``keys``; equal keys mean equal writers.
        """
        if len(self._codes) > self._max_writers or self._bytes > _MAX_BYTES:
            self._codes.clear()
            self._known.clear()
            self._bytes = 0
        codes = list(map(self._codes.get, keys))
        if None in codes:
            codes = [self._code(key, row, message) for row, key in enumerate(keys)]
        table = pl.DataFrame(
            {
                name: pl.Series([getattr(i, name) for i in self._known], dtype=pl.String)
                for name in NAMES
            }
        )
        return table[pl.Series(codes, dtype=pl.UInt32)]

    def _code(self, key: bytes, row: int, message: Callable[[int], bytes]) -> int:
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self._known)
            self._bytes += len(key)
            self._known.append(_identity(message(row)) if key else NOBODY)
        return code


def _identity(message: bytes) -> Identity:
    records = peel(message)
    return records[0].identity if records else NOBODY
