"""Names in full for callers of whom the log line tells only half.

Text logs behind a bare pod name lack the namespace; the control plane's own input has it. The
series keep the name they were counted under, so that what is learned does not depend on when the
namespace became known: only what is shown is completed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detector.types import Series
from pipelines.identity import workload_of_pod


def workloads(proxies: Iterable[str]) -> dict[str, str]:
    """Workload -> "workload.namespace", of the workloads that run in one namespace only.

    Args:
        proxies: as the ledger names them, "pod.namespace".

    >>> workloads(["cart-v1-5d89f7c8b4-x2x9k.shop", "web-5d89f7c8b4-abcde.a", "web-0.b"])
    {'cart-v1': 'cart-v1.shop'}
    """
    namespaces: dict[str, set[str]] = {}
    for proxy in proxies:
        pod, _, namespace = proxy.partition(".")
        workload = workload_of_pod(pod)
        if workload and namespace:
            namespaces.setdefault(workload, set()).add(namespace)
    return {w: f"{w}.{next(iter(found))}" for w, found in namespaces.items() if len(found) == 1}


def in_full(series: Series, names: Mapping[str, str]) -> Series:
    """The series with its caller named in full, if it can be."""
    return series._replace(source=names.get(series.source, series.source))
