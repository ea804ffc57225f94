"""Which proxies write access logs, and of which version they are.

Every line tells that its proxy lives, and most envelopes tell its image. So the ledger knows the
proxies of a mesh, and a rollout of sidecars, without any word from the control plane.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from pipelines import schema

_WHO = ("pod", "namespace", "workload", "proxy_version")
MAX_PODS = 200_000
"""Pods remembered; beyond it all are forgotten and told anew, which changes nothing."""


def writers(access: pl.DataFrame) -> pl.DataFrame:
    """Who wrote access log entries (`schema.ACCESS`), and the times of the first and the last."""
    return joined(access.select(*_WHO, first="time", last="time"))


def joined(seen: pl.DataFrame) -> pl.DataFrame:
    """What several frames of `writers`, one below the other, say together."""
    return (
        seen.filter(pl.col("pod").is_not_null())
        .group_by(_WHO)
        .agg(pl.col("first").min(), pl.col("last").max())
        .sort("first", "pod")
    )


class Heard(NamedTuple):
    """A proxy that wrote lines up to a time."""

    proxy: str
    time: datetime
    workload: str | None


class Roster:
    """Remembers which pods were told, so that each is told once, and again with a new version.

    Attributes:
        pods: names of all that wrote.
        heard: those of the last batch.
    """

    def __init__(self) -> None:
        self._told: dict[str, str | None] = {}
        self.pods: set[str] = set()
        self.heard: list[Heard] = []

    def take(self, seen: pl.DataFrame) -> tuple[pl.DataFrame, list[Heard]]:
        """Look through the writers of access log entries, as `writers` gives them.

        Returns:
            Events (`schema.CONTROL`) of kind "proxy", one for each pod that is new or has
            another version than before; and all pods that were heard.
        """
        rows: list[dict[str, Any]] = []
        heard: list[Heard] = []
        if len(self._told) > MAX_PODS:
            self._told.clear()
        for pod, namespace, workload, version, first, last in seen.iter_rows():
            name = f"{pod}.{namespace}" if namespace else pod
            self.pods.add(pod)
            heard.append(Heard(name, last, workload))
            if self._told.get(name, "") != version:
                self._told[name] = version
                rows.append(_event(name, first, workload, version))
        self.heard = heard
        return pl.DataFrame(rows, schema=schema.CONTROL, orient="row"), heard


def _event(proxy: str, time: datetime, workload: str | None, version: str | None) -> dict[str, Any]:
    return dict.fromkeys(schema.CONTROL) | {
        "time": time,
        "kind": "proxy",
        "proxy": proxy,
        "workload": workload,
        "proxy_version": version,
        "source": "access-log",
    }
