"""What Prometheus knows of requests, as rollups (pure).

The counter ``istio_requests_total`` (Istio docs, "Istio Standard Metrics") has the labels of a
rollup, but is scraped every 15 to 60 s. So it is read by the minute, and each minute spread over
its buckets: requests evenly, errors in clumps of `CLUMP`, for habitual errors come in clumps, and
a baseline that believed in smooth ones would be alarmed by the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

import msgspec
import polars as pl

from pipelines.normalise import canonical_flags, signal_of
from pipelines.schema import ROLLUP

STEP_S = 60
CLUMP = 3
_LABELS = (
    "reporter", "source_workload", "source_workload_namespace", "destination_service",
    "response_code", "response_flags",
)  # fmt: skip
_UNKNOWN = "unknown"

_NAME = "istio_requests_total"
_BEFORE = (
    f"({_NAME} offset {STEP_S}s or last_over_time({_NAME}[15m] offset {STEP_S}s) or {_NAME} * 0)"
)
QUERY = f"sum by ({', '.join(_LABELS)}) (clamp_min({_NAME} - {_BEFORE}, 0))"
"""Requests of each minute. Unlike ``increase``, this counts the first errors of a series, which is
born with them, and invents no fractions; at a counter's reset what it had gained is lost."""


class NotCountsError(ValueError):
    """What was answered is something else; the text goes on from "Prometheus"."""


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str | None = None


class _Counted(NamedTuple):
    """The name of a rollup's row."""

    reporter: str
    source: str
    destination: str
    code: int
    flags: str


def rollup(body: bytes, bucket_s: int) -> pl.DataFrame:
    """The answer of ``/api/v1/query_range`` to `QUERY` as a frame of `schema.ROLLUP`, by time.

    Args:
        body: With a step of `STEP_S` seconds.
        bucket_s: Seconds of a bucket; a divisor of `STEP_S`, or a multiple of it.

    Raises:
        NotCountsError: It is something else, or Prometheus refuses.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotCountsError("answers, but not as Prometheus does") from error
    if answer.status != "success" or answer.data is None:
        raise NotCountsError(f"refuses: {(answer.error or 'no reason given')[:200]}")
    rows = [row for one in answer.data.result for row in _rows(one, bucket_s)]
    frame = pl.DataFrame(rows, schema=["second", *list(ROLLUP)[1:]], orient="row")
    time = pl.from_epoch(pl.col("second").cast(pl.Int64), time_unit="s")
    return (
        frame.with_columns(time=time.cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        .select(pl.col(name).cast(kind) for name, kind in ROLLUP.items())
        .sort(list(ROLLUP))
    )


def _named(labels: dict[str, str]) -> _Counted:
    """Names as access logs give them: the callee's own lines do not tell the caller."""
    reporter = labels.get("reporter", "source")
    workload, namespace = (
        labels.get(name, _UNKNOWN) for name in ("source_workload", "source_workload_namespace")
    )
    unnamed = reporter == "destination" or _UNKNOWN in (workload, namespace)
    text = labels.get("response_code", "0")
    code = int(text) if text.isdecimal() and len(text) <= 3 else 0
    return _Counted(
        reporter,
        _UNKNOWN if unnamed else f"{workload}.{namespace}",
        labels.get("destination_service", _UNKNOWN).partition(":")[0].lower() or _UNKNOWN,
        code,
        canonical_flags(code, labels.get("response_flags", "-"), None),
    )


def _rows(series: _Series, bucket_s: int) -> Iterator[tuple[object, ...]]:
    """Rows of one series; a minute ends at its time stamp."""
    name = _named(series.metric)
    failed = signal_of(name.code, name.flags) is not None
    parts = max(STEP_S // bucket_s, 1)
    for at, text in series.values:
        value = float(text)
        count = round(value) if 0.0 <= value < float("inf") else 0
        first = int(at) - STEP_S
        shares = clumps(count, parts, seed=f"{first}|{name}") if failed else spread(count, parts)
        for i, share in enumerate(shares):
            if share:
                second = (first + i * bucket_s) // bucket_s * bucket_s
                yield second, name.reporter, name.source, None, name.destination, *name[3:], share


def spread(count: int, parts: int) -> list[int]:
    """``count`` as evenly as whole numbers allow.

    >>> spread(14, 6)
    [2, 2, 3, 2, 2, 3]
    """
    return [count * (i + 1) // parts - count * i // parts for i in range(parts)]


def clumps(count: int, parts: int, *, seed: str) -> list[int]:
    """``count`` in clumps of about `CLUMP`, somewhere, the same for the same ``seed``.

    >>> sorted(clumps(5, 6, seed="a")), sorted(clumps(60, 6, seed="a"))
    ([0, 0, 0, 0, 2, 3], [10, 10, 10, 10, 10, 10])
    """
    filled = min(parts, -(-count // CLUMP))
    start = crc32(seed.encode()) % parts
    shares = [0] * parts
    for i, share in enumerate(spread(count, filled) if filled else []):
        shares[(start + i * parts // filled) % parts] = share
    return shares
