"""A mesh: who calls whom, how often, and how it fails when nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BUCKET_S = 10
DAY = 86400 // BUCKET_S
GATEWAY = "istio-ingressgateway.istio-system"

HABITS = {
    # signal as (code, flags): share of edges, log10 of the rate from, to, mean clump
    (404, "-"): (0.6, -3.5, -1.3, 1.5),
    (401, "-"): (0.2, -4.0, -2.0, 3.0),
    (403, "-"): (0.2, -4.5, -2.5, 2.0),
    (429, "-"): (0.1, -4.5, -2.5, 6.0),
    (0, "DC"): (0.5, -4.5, -2.5, 1.5),
    (500, "-"): (0.6, -5.5, -2.0, 1.5),
    (503, "-"): (0.5, -6.0, -3.5, 2.5),
    (504, "UT"): (0.3, -6.0, -4.0, 3.0),
    (503, "UC"): (0.5, -6.5, -4.0, 2.5),
    (503, "UF,URX"): (0.4, -7.0, -4.5, 5.0),
    (503, "UH"): (0.15, -7.5, -5.5, 6.0),
}
"""How edges fail habitually: orders of magnitude over five decades, in clumps."""


@dataclass
class Edge:
    """A caller and the service it calls."""

    source: str
    destination: str
    rate: float  # requests a second at noon
    born: int = 0  # first bucket


@dataclass
class Errors:
    """Failed requests as parallel lists: bucket, edge, pod, code, flags, count."""

    bucket: list[int] = field(default_factory=list)
    edge: list[int] = field(default_factory=list)
    pod: list[int] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    count: list[int] = field(default_factory=list)

    def add(
        self, bucket: int, edge: int, signal: tuple[int, str], count: int, *, pod: int = 0
    ) -> None:
        """Note ``count`` failures of ``signal``."""
        if count > 0:
            self.bucket.append(bucket)
            self.edge.append(edge)
            self.pod.append(pod)
            self.code.append(signal[0])
            self.flags.append(signal[1])
            self.count.append(count)


class Regime(NamedTuple):
    """How unruly a mesh is when nothing is wrong."""

    clumps: float  # mean clumps of `HABITS`, times this
    heavy: float  # spread (log) of the size of single clumps: retry storms are of all sizes
    deploys: tuple[float, float, float]  # a day; each service has one of these rates
    blip: float  # spread (log) of the errors that a deploy costs


REGIMES = {
    "calm": Regime(1.0, 0.0, (0.05, 0.2, 1.0), 0.5),
    "ordinary": Regime(1.0, 0.4, (0.2, 1.0, 4.0), 0.8),
    "unruly": Regime(2.0, 0.8, (0.2, 2.0, 8.0), 1.0),
}


class Happening(NamedTuple):
    """Something ordinary that may look like a fault, from one bucket to another."""

    kind: str
    first: int
    last: int
    services: list[str]


class Mesh:
    """Services, edges and their traffic over a run.

    Args:
        rng: Source of all randomness.
        services: How many.
        days: Length of the run.
        regime: How unruly it is.
    """

    def __init__(
        self, rng: np.random.Generator, services: int, days: float, regime: Regime
    ) -> None:
        self.rng = rng
        self.regime = regime
        self.length = int(days * DAY)
        self.happenings: list[Happening] = []
        self.services = [f"svc-{i:03d}.app.svc.cluster.local" for i in range(services)]
        self.replicas = rng.integers(2, 5, services + 1)  # last: the gateway
        self.edges = self._edges()
        self.requests = self._traffic()
        self.errors = Errors()

    def workload(self, service: int) -> str:
        """The workload behind a service; the one past the last is the gateway."""
        return GATEWAY if service == len(self.services) else f"svc-{service:03d}-v1.app"

    def pod_name(self, service: int, pod: int) -> str:
        """Proxy name ("pod.namespace") of a replica."""
        name, _, namespace = self.workload(service).partition(".")
        return f"{name}-7d9f{service:03d}-x{pod}z9k.{namespace}"

    def owner(self, edge: int) -> int:
        """The service whose workload is the caller."""
        source = self.edges[edge].source
        return len(self.services) if source == GATEWAY else int(source[4:7])

    def callers(self, service: int) -> list[int]:
        """Edges towards a service."""
        host = self.services[service]
        return [i for i, edge in enumerate(self.edges) if edge.destination == host]

    def _edges(self) -> list[Edge]:
        n, edges = len(self.services), []
        for service in range(n):
            callers = {n} if service < n // 8 else set()
            if service:
                callers |= set(self.rng.integers(0, service, self.rng.integers(1, 5)).tolist())
            for caller in sorted(callers):
                rate = 10 ** float(np.clip(self.rng.normal(0.3, 1.3), -3.5, 3.2))
                edges.append(Edge(self.workload(caller), self.services[service], rate))
        for edge in self.rng.choice(len(edges), 2, replace=False):
            born = edges[edge].born = int(self.rng.uniform(0.3, 0.9) * self.length)
            self._note("new-edge", born, born + DAY // 4, [edges[edge].destination])
        return edges

    def _traffic(self) -> NDArray[np.int64]:
        """Requests per edge and bucket: day and week, slow wander, bursts."""
        t = np.arange(self.length)
        table = np.zeros((len(self.edges), self.length), dtype=np.int64)
        for i, edge in enumerate(self.edges):
            phase, depth = self.rng.uniform(0, 0.15), self.rng.uniform(0.2, 0.8)
            cycle = 1.0 + depth * np.sin(2 * np.pi * (t / DAY + phase))
            cycle *= np.where((t // DAY) % 7 >= 5, 0.6, 1.0)
            mean = edge.rate * BUCKET_S * cycle * np.exp(self.wander(0.15, 60))
            size = self.rng.uniform(3.0, 40.0)
            table[i] = self.rng.poisson(mean * self.rng.gamma(size, 1.0 / size, self.length))
            table[i, : edge.born] = 0
        for i in self.rng.choice(len(self.edges), 2, replace=False):
            start = int(self.rng.uniform(0.2, 0.9) * self.length)
            table[i, start : start + 360] *= 5
            self._note("traffic-x5", start, start + 420, [self.edges[i].destination])
        for service in self.rng.choice(len(self.services), 2, replace=False).tolist():
            start = int(self.rng.uniform(0.2, 0.9) * self.length)  # scaled out: twice the traffic
            table[self.callers(service), start:] *= 2
            self._note("scale-out", start, start + DAY // 8, [self.services[service]])
        return table

    def _note(self, kind: str, first: int, last: int, services: list[str]) -> None:
        self.happenings.append(Happening(kind, first, last, services))

    def wander(self, spread: float, memory: float) -> NDArray[np.float64]:
        """A slow random walk around 0 with standard deviation ``spread``."""
        knots = int(self.length / memory) + 3
        steps, keep = self.rng.normal(0, 1, knots), 0.7
        walk = np.zeros(knots)
        for i in range(1, knots):
            walk[i] = keep * walk[i - 1] + np.sqrt(1 - keep**2) * steps[i]
        return spread * np.interp(np.arange(self.length) / memory, np.arange(knots), walk)

    def fail_as_usual(self) -> None:
        """Habitual errors, canaries, deploys and one lasting shift."""
        for i in range(len(self.edges)):
            for signal, (share, low, high, clump) in HABITS.items():
                if self.rng.random() < share:
                    rate = 10 ** self.rng.uniform(low, high)
                    self._habit(i, signal, rate, 1.0 + (clump - 1.0) * self.regime.clumps)
        quiet = [i for i, edge in enumerate(self.edges) if edge.rate < 1.0]
        for i in self.rng.choice(quiet, min(2, len(quiet)), replace=False):
            self._habit(int(i), (500, "-"), self.rng.uniform(0.3, 0.8), 1.0)
        busy = [i for i, edge in enumerate(self.edges) if edge.rate > 0.5]
        for shifted in self.rng.choice(busy, max(self.length // (4 * DAY), 1)).tolist():
            start = int(self.rng.uniform(0.2, 0.95) * self.length)
            self._habit(shifted, (500, "-"), 10 ** self.rng.uniform(-3.5, -2), 1.5, start)
            name = self.edges[shifted].destination
            self._note("level-shift", start, start + DAY // 8, [name])
        for service in range(1, len(self.services)):
            for _ in range(
                self.rng.poisson(self.length / DAY * self.rng.choice(self.regime.deploys))
            ):
                self._deploy(service, int(self.rng.integers(self.length - 20)))

    def _habit(
        self, edge: int, signal: tuple[int, str], rate: float, clump: float, start: int = 0
    ) -> None:
        wander = np.exp(self.wander(self.rng.uniform(0.2, 0.8), 360))
        clumps = self.rng.poisson(self.requests[edge] * rate * wander / clump)
        clumps[:start] = 0
        for bucket in np.flatnonzero(clumps).tolist():
            count = number = int(clumps[bucket])
            if clump > 1:
                heavy = self.regime.heavy
                mean = clump * np.exp(self.rng.normal(-(heavy**2) / 2, heavy)) if heavy else clump
                count += int(self.rng.negative_binomial(number, 1 / max(mean, 1.0001)))
            count = min(count, int(self.requests[edge, bucket]))
            self.errors.add(bucket, edge, signal, count, pod=int(self.rng.integers(4)))

    def _deploy(self, service: int, bucket: int) -> None:
        """A rolling restart: a few refused or reset connections from some callers."""
        callers = self.callers(service)
        self._note("deploy", bucket, bucket + 9, [self.services[service]])
        total = float(self.rng.lognormal(2.0, self.regime.blip)) / max(len(callers), 1)
        signal = [(503, "UF,URX"), (503, "UC"), (503, "-")][int(self.rng.integers(3))]
        for edge in callers:
            for offset in range(int(self.rng.integers(2, 9))):
                count = self.rng.poisson(total / 6)
                count = min(int(count), int(self.requests[edge, bucket + offset]))
                self.errors.add(bucket + offset, edge, signal, count, pod=int(self.rng.integers(4)))
