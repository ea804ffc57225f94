"""What one istiod says of itself: from its metrics, or from a Prometheus that has them (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from prometheus_client.parser import text_string_to_metric_families

NAMES = (
    "pilot_info",
    "istio_build",
    "pilot_xds",
    "pilot_xds_pushes",
    "pilot_total_xds_rejects",
    "pilot_proxy_convergence_time_sum",
    "pilot_proxy_convergence_time_count",
    "istiod_uptime_seconds",
)
"""The metrics that are looked at; docs: "Istiod (pilot-discovery)", exported metrics."""

QUERY = '{__name__=~"' + "|".join(NAMES) + '"}'
"""The same as a query for Prometheus."""

_OURS = re.compile(rf"^(?:{'|'.join(NAMES)})(?:\{{| )")
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc)[.\d]*)?")
MAX_LINES = 10_000
"""Lines of the few metrics above: no istiod has more."""


class NotMetricsError(ValueError):
    """What was answered is something else."""


class Scrape(NamedTuple):
    """One istiod at one moment; what it does not say is None."""

    version: str | None = None
    uptime_s: float | None = None
    proxies: Mapping[str, int] = {}  # by their own version
    pushes: float | None = None  # since it started, all types
    rejects: float | None = None
    convergence_sum_s: float | None = None
    convergences: float | None = None


class _Value(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


class _Series(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str | None = None


def of_text(body: bytes) -> Scrape:
    """Read the exposition format.

    Raises:
        NotMetricsError: it is something else, or metrics of something else.
    """
    text = body.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if _OURS.match(line)][:MAX_LINES]
    if not lines:
        raise NotMetricsError("answers, but not with istiod's metrics")
    try:
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
    except ValueError as error:
        raise NotMetricsError(f"answers with damaged metrics ({error})") from error
    return _scrape(
        _Value(sample.name, sample.labels, sample.value)
        for family in families
        for sample in family.samples
    )


def of_prometheus(body: bytes) -> dict[str, Scrape]:
    """Read the answer of Prometheus' ``/api/v1/query``: a scrape for each istiod's pod.

    Raises:
        NotMetricsError: it is something else, or Prometheus refuses.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
        if answer.status != "success" or answer.data is None:
            raise NotMetricsError(f"refuses: {(answer.error or 'no reason given')[:200]}")
        by_pod: dict[str, list[_Value]] = {}
        for series in answer.data.result[: MAX_LINES * 10]:
            labels = series.metric
            pod = labels.get("pod") or labels.get("kubernetes_pod_name") or labels.get("instance")
            value = _Value(labels.get("__name__", ""), labels, float(series.value[1]))
            by_pod.setdefault(pod or "", []).append(value)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        if isinstance(error, NotMetricsError):
            raise
        raise NotMetricsError("answers, but not as Prometheus does") from error
    return {pod: _scrape(values) for pod, values in by_pod.items()}


def _scrape(values: Iterable[_Value]) -> Scrape:
    version: str | None = None
    proxies: dict[str, int] = {}
    sums: dict[str, float] = {}
    for name, labels, value in values:
        if not 0 <= value < float("inf"):  # not a number, among others
            continue
        if name == "pilot_info" or (name == "istio_build" and labels.get("component") == "pilot"):
            version = version or _version(labels.get("version") or labels.get("tag") or "")
        elif name == "pilot_xds":
            told = labels.get("version") or "unknown"
            proxies[told] = proxies.get(told, 0) + int(value)
        elif name != "pilot_xds_pushes" or not labels.get("type", "").endswith("_senderr"):
            sums[name.removesuffix("_total")] = sums.get(name.removesuffix("_total"), 0.0) + value
    return Scrape(
        version=version,
        uptime_s=sums.get("istiod_uptime_seconds"),
        proxies=proxies,
        pushes=sums.get("pilot_xds_pushes"),
        rejects=sums.get("pilot_total_xds_rejects"),
        convergence_sum_s=sums.get("pilot_proxy_convergence_time_sum"),
        convergences=sums.get("pilot_proxy_convergence_time_count"),
    )


def _version(text: str) -> str | None:
    found = _VERSION.match(text)
    return found[0] if found else None
