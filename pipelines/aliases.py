"""Which service a name means: learned from the lines whose upstream cluster says it.

A fault often takes the cluster's name out of the line (``503 NC`` has none), and inbound lines
name only a port. What is left, an authority or a port, means the service that it meant in the
same workload's good lines.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

UNKNOWN = "unknown"

_MAX_HOSTS = 50_000
_MAX_KEYS = 100_000
_MAX_VOTES = 16
"""Bounds on hosts, on keys, and on hosts a key. Names beyond them are not learned, so that
hostile ones cannot grow the memory; real meshes stay far below."""

_FORGET = 64
"""A key's counts lose one part in so many each bucket (half-life 7 min), so that it can move."""


class Key(NamedTuple):
    """A name as one workload uses it. Fields are empty where nothing is known."""

    namespace: str
    workload: str
    name: str


class Votes(msgspec.Struct):
    """How often of late each key went with which host."""

    counts: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    last: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, key: Key, host: str, count: int, bucket: int) -> None:
        """Count ``key`` going with ``host``; buckets come in order of time."""
        text = "|".join(key)
        votes = self.counts.get(text)
        if votes is None:
            if len(self.counts) >= _MAX_KEYS:
                return
            votes = self.counts[text] = {}
        elif self.last[text] != bucket:
            for other, n in votes.items():
                votes[other] = n - n // _FORGET
        self.last[text] = bucket
        if host in votes or len(votes) < _MAX_VOTES:
            votes[host] = votes.get(host, 0) + count

    def best(self, key: Key) -> str | None:
        """The host that ``key`` goes with most; the first by name among equals."""
        votes = self.counts.get("|".join(key))
        return min(votes, key=lambda host: (-votes[host], host)) if votes else None


class Aliases(msgspec.Struct):
    """All that was learned. Learning in another order within a bucket gives the same."""

    hosts: dict[str, None] = msgspec.field(default_factory=dict)
    """Service hosts seen in clusters, oldest first."""
    forms: dict[str, str] = msgspec.field(default_factory=dict)
    """Shorter forms of a host -> the host; empty when several hosts share the form."""
    authorities: Votes = msgspec.field(default_factory=Votes)
    ports: Votes = msgspec.field(default_factory=Votes)
    """A workload's own port -> the service that callers reach through it."""
    addresses: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Pod -> its own addresses, as its inbound lines show them; the key is empty for no pod."""

    def learn_host(self, host: str) -> None:
        """A cluster named ``host``."""
        if host in self.hosts or len(self.hosts) >= _MAX_HOSTS:
            return
        self.hosts[host] = None
        for form in _forms(host):
            self.forms[form] = host if self.forms.get(form, host) == host else ""

    def learn_address(self, pod: str, address: str) -> None:
        """``pod`` answered at ``address``."""
        known = self.addresses.get(pod)
        if known is None and len(self.addresses) < _MAX_KEYS:
            known = self.addresses[pod] = []
        if known is not None and address not in known and len(known) < _MAX_KEYS // 100:
            known.append(address)

    def is_own(self, pod: str, address: str) -> bool:
        """Whether ``pod`` answers at ``address``."""
        return address in self.addresses.get(pod, ())

    def expand(self, name: str, namespace: str) -> str | None:
        """The known service host that ``name`` is short for in ``namespace``; None for others."""
        if name in self.hosts:
            return name
        return (namespace and self.forms.get(f"{name}.{namespace}")) or self.forms.get(name) or None


def _forms(host: str) -> list[str]:
    """``web``, ``web.shop`` and ``web.shop.svc`` for ``web.shop.svc.cluster.local``."""
    labels = host.split(".")
    if len(labels) < 3 or labels[2] != "svc":
        return []
    return [".".join(labels[:n]) for n in (1, 2, 3)]
