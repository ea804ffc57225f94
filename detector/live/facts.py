"""What the worker holds, counted for probes and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from detector.conditions import Condition
from detector.live.status import Facts
from detector.worker import Worker


def facts_of(worker: Worker, sizes: Mapping[str, int], conditions: Iterable[Condition]) -> Facts:
    """Count what a worker holds; in its own thread, after a commit.

    Args:
        worker: the worker.
        sizes: bytes of its state by part, as of the commit.
        conditions: what is wrong with the input.
    """
    catalogue = worker.engine.catalogue
    live = (one for one in worker.book.incidents if one.status != "resolved")
    return Facts(
        counts=dict(worker.counts),
        late=worker.late,
        series=len(catalogue.keys),
        evicted=catalogue.keys.evicted,
        refused=catalogue.refused,
        proxies=len(worker.ledger.proxies),
        open_by_cause=dict(Counter(one.attribution.cause for one in live)),
        state_bytes=dict(sizes),
        conditions=dict(Counter(one.kind for one in conditions)),
    )
