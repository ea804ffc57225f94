"""Asks a Prometheus for past requests, a stretch of time after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import polars as pl

from detector.errors import InputError
from detector.learning.counters import QUERY, STEP_S, NotCountsError, rollup
from detector.polling.fetch import Fetcher, FetchError, Replica, replicas
from detector.settings import IstiodSettings

STRETCH = timedelta(hours=2)
SHORTEST = timedelta(minutes=10)
PATIENCE_S = 60.0
_STEP = timedelta(seconds=STEP_S)


def counts(
    url: str, since: datetime, until: datetime, settings: IstiodSettings, bucket_s: int
) -> Iterator[pl.DataFrame]:
    """Frames of `schema.ROLLUP` by time, each of whole minutes.

    Where an answer is too large or takes too long, shorter stretches are asked for.

    Args:
        url: Of Prometheus, or of what speaks like it; may hold a path.
        since: Start of the first minute, cut down to a whole one.
        until: No minute that ends later is asked for.
        settings: Token and trust; as for asking istiod.
        bucket_s: Seconds of a bucket.

    Raises:
        InputError: It does not answer, or not with counts.
    """
    fetcher = Fetcher(msgspec.structs.replace(settings, timeout_s=PATIENCE_S))
    try:
        replica = replicas(url)[0]
        start, stretch = _whole(since), STRETCH
        while start + _STEP <= until:
            end = min(start + stretch, _whole(until))
            try:
                body = _ask(fetcher, replica, start + _STEP, end)
            except FetchError:
                if stretch <= SHORTEST:
                    raise
                stretch = max(stretch / 2, SHORTEST)
                continue
            yield rollup(body, bucket_s)
            start = end
    except (FetchError, NotCountsError) as error:
        raise InputError(
            f"Prometheus {error}",
            where=url,
            advice="Name what answers /api/v1/query_range, and see istiod.token_file and ca_file",
        ) from error


def _ask(fetcher: Fetcher, replica: Replica, first: datetime, last: datetime) -> bytes:
    query = {
        "query": QUERY,
        "start": str(int(first.timestamp())),
        "end": str(int(last.timestamp())),
        "step": str(STEP_S),
    }
    return fetcher.get(replica, "/api/v1/query_range", query)


def _whole(time: datetime) -> datetime:
    """The minute's start."""
    return time.replace(second=0, microsecond=0)
