"""Names of callers: in full where the log line tells only half, and the service they are.

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


def calls(service: str, workload: str) -> bool:
    """Whether ``workload`` ("name-v1.namespace") seems to run behind ``service`` (its host).

    Where the logs do not tell the workload's namespace, its name has to do.

    >>> calls("cart.shop.svc.cluster.local", "cart-v1.shop")
    True
    >>> calls("cart.shop.svc.cluster.local", "cart-v1")
    True
    >>> calls("cart.shop.svc.cluster.local", "cartoon.shop")
    False
    """
    name, _, rest = service.partition(".")
    owner, _, namespace = workload.partition(".")
    same = owner == name or owner.startswith(f"{name}-")
    return same and namespace in ("", rest.partition(".")[0])
