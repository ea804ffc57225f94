"""Labelled faults, from barely visible to massive, and the control-plane events around them."""

from __future__ import annotations

import numpy as np

from benchmarks.detection.mesh import BUCKET_S, DAY, Mesh
from benchmarks.detection.story import (
    CRASHES,
    ORPHANS,
    SIZES,
    SPACING,
    At,
    Failing,
    Label,
    Signal,
    Story,
)


class Faults:
    """Tells stories on a mesh: each adds errors, events and a label.

    Args:
        mesh: To fail.
        story: To be told.
    """

    def __init__(self, mesh: Mesh, story: Story) -> None:
        self.mesh, self.story, self.rng = mesh, story, mesh.rng
        self.version = "1.26.0"
        self.releases = 0

    def tell(self) -> None:
        """Fill the run with one story after the other, in random order."""
        kinds = [
            self.upgrade_orphans,
            self.upgrade_orphans,
            self.bad_push,
            self.version_pair,
            self.crash,
            self.crash,
            self.slow_ramp,
            self.timeouts,
            self.client_surge,
            self.crash_in_upgrade,
            self.crash_in_upgrade,
            self.harmless_upgrade,
            self.restart,
            self.bad_push,
        ]
        first, last = DAY // 3, self.mesh.length - 400
        slots = np.arange(first, last, SPACING)
        self.rng.shuffle(slots)
        order = [kinds[i % len(kinds)] for i in range(min(len(slots), 2 * len(kinds)))]
        for kind, slot in sorted(zip(order, slots, strict=False), key=lambda pair: int(pair[1])):
            kind(int(slot))

    def _size(self) -> int:
        low, high = SIZES[int(self.rng.choice(4, p=[0.3, 0.3, 0.25, 0.15]))]
        return int(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def _inflict(self, label: Label, at: At, signal: Signal, count: int) -> None:
        """Make requests of an edge fail; never more than there are."""
        if at.bucket >= self.mesh.length:
            return
        count = min(count, int(self.mesh.requests[at.edge, at.bucket]))
        self.mesh.errors.add(at.bucket, at.edge, signal, count, pod=at.pod)
        if count > 0:
            label.first_s = min(label.first_s, float(at.bucket * BUCKET_S))
            label.excess += count
            label.services.add(self.mesh.edges[at.edge].destination)
            flags = sorted(set(signal[1].split(",")) - {"URX", "-"})
            label.signals.add(flags[0] if flags else str(signal[0]))

    def _busy(self, service: int, least: float = 0.3) -> list[int]:
        return [i for i in self.mesh.callers(service) if self.mesh.edges[i].rate >= least]

    def _target(self) -> tuple[int, list[int]]:
        """A service with callers worth the name."""
        while True:
            service = int(self.rng.integers(len(self.mesh.services)))
            edges = self._busy(service)
            if edges:
                return service, edges

    def _upgrade(self, start_s: float) -> dict[str, float]:
        """Every proxy reconnects to a new control plane; when each one did."""
        self.releases += 1
        self.version = f"1.26.{self.releases}"
        self.story.say(start_s, "control-plane-start", version=self.version)
        length = self.rng.uniform(120, 900)
        times = {}
        for service, replicas in enumerate(self.mesh.replicas.tolist()):
            for pod in range(replicas):
                times[self.mesh.pod_name(service, pod)] = start_s + 15 + self.rng.uniform(0, length)
        for proxy, at in times.items():
            self.story.say(at - 0.4, "disconnect", proxy=proxy)
            self.story.say(at, "connect", proxy=proxy, version=self.version)
            self.story.say(at + 0.1, "push", proxy=proxy, type="CDS", request=True)
            self.story.say(at + 0.2, "ack", proxy=proxy, type="CDS")
        return times

    def upgrade_orphans(self, slot: int) -> None:
        """In an upgrade each proxy lacks routes or clusters for a moment after it reconnected."""
        start = slot * float(BUCKET_S)
        times = self._upgrade(start)
        signal = ORPHANS[int(self.rng.integers(len(ORPHANS)))]
        label = Label("upgrade", "control-plane", start, max(times.values()) + 10)
        rates = np.array([edge.rate for edge in self.mesh.edges])
        hold = self._size() / rates.sum()  # seconds without routes that give this size
        hit = rates > 0
        if hold < 0.5:  # a small one concerns few services only
            hit = self.rng.random(rates.size) < max(hold / 1.0, 0.03)
            hold = 1.0
        for edge in np.flatnonzero(hit).tolist():
            owner = self.mesh.owner(edge)
            replicas = int(self.mesh.replicas[owner])
            for pod in range(replicas):
                at = times[self.mesh.pod_name(owner, pod)] + self.rng.uniform(0.1, 1.0)
                count = int(self.rng.poisson(rates[edge] / replicas * hold))
                self._inflict(label, At(int(at // BUCKET_S), edge, pod), signal, count)
        self._finish(label)

    def bad_push(self, slot: int) -> None:
        """A push empties the endpoints of a service; another one repairs it."""
        start = slot * float(BUCKET_S) + self.rng.uniform(0, 10)
        _, edges = self._target()
        rate = sum(self.mesh.edges[i].rate for i in edges)
        lasts = float(np.clip(self._size() / rate, 20, 900))
        share = min(1.0, self._size() / (rate * lasts))
        self._push(start)
        self._push(start + lasts)
        label = Label("push", "control-plane", start, start + lasts)
        self._steady(label, start + 1.0, start + lasts, edges, Failing((503, "UH"), share))
        self._finish(label)

    def _push(self, at_s: float) -> None:
        self.story.say(at_s, "push", full=True, version=self.version)
        for service, replicas in enumerate(self.mesh.replicas.tolist()):
            for pod in range(replicas):
                at = at_s + self.rng.uniform(0.05, 2.0)
                self.story.say(
                    at, "push", proxy=self.mesh.pod_name(service, pod), type="CDS", full=True
                )

    def _steady(
        self, label: Label, start: float, end: float, edges: list[int], failing: Failing
    ) -> None:
        """A constant share of the requests of some edges fails."""
        for bucket in range(int(start // BUCKET_S), int(end // BUCKET_S) + 1):
            cover = min(end, (bucket + 1) * BUCKET_S) - max(start, bucket * BUCKET_S)
            for edge in edges:
                if bucket >= self.mesh.length or cover <= 0:
                    continue
                number = int(self.mesh.requests[edge, bucket])
                count = int(self.rng.binomial(number, min(failing.share * cover / BUCKET_S, 1.0)))
                pod = int(self.rng.integers(self.mesh.replicas[self.mesh.owner(edge)]))
                self._inflict(label, At(bucket, edge, pod), failing.signal, count)

    def version_pair(self, slot: int) -> None:
        """Answers of one service break between proxies of different versions."""
        start = slot * float(BUCKET_S)
        times = self._upgrade(start)
        service, edges = self._target()
        label = Label("version-pair", "control-plane", start, max(times.values()) + 10)
        done = sorted(
            times[self.mesh.pod_name(service, pod)]
            for pod in range(int(self.mesh.replicas[service]))
        )
        share = self._size() / (sum(self.mesh.edges[i].rate for i in edges) * 300)
        for edge in edges:
            owner = self.mesh.owner(edge)
            for pod in range(int(self.mesh.replicas[owner])):
                mine = times[self.mesh.pod_name(owner, pod)]
                for bucket in range(int(start // BUCKET_S), int(max(times.values()) // BUCKET_S)):
                    ready = float(np.mean([t <= bucket * BUCKET_S for t in done]))
                    mixed = (1 - ready) if mine <= bucket * BUCKET_S else ready
                    number = self.mesh.requests[edge, bucket] / self.mesh.replicas[owner]
                    count = int(self.rng.poisson(number * min(share, 1.0) * mixed))
                    self._inflict(label, At(bucket, edge, pod), (502, "UPE"), count)
        self._finish(label)

    def crash(self, slot: int, cause: str = "workload") -> None:
        """A workload dies and comes back."""
        start = slot * float(BUCKET_S) + self.rng.uniform(0, 10)
        _, edges = self._target()
        rate = sum(self.mesh.edges[i].rate for i in edges)
        lasts = float(np.exp(self.rng.uniform(np.log(3), np.log(900))))
        share = min(1.0, self._size() / (rate * lasts))
        signal = CRASHES[int(self.rng.integers(len(CRASHES)))]
        label = Label("crash", cause, start, start + lasts)
        self._steady(label, start, start + lasts, edges, Failing(signal, share))
        self._finish(label)

    def restart(self, slot: int) -> None:
        """Istiod comes back without endpoints: for a while calls fail all over the mesh."""
        start = slot * float(BUCKET_S) + self.rng.uniform(0, 10)
        self.story.say(start, "control-plane-start", version=self.version)
        lasts = self.rng.uniform(8, 60)
        for service, replicas in enumerate(self.mesh.replicas.tolist()):
            for pod in range(replicas):
                at = start + self.rng.uniform(1, 6)
                proxy = self.mesh.pod_name(service, pod)
                self.story.say(at - 0.5, "disconnect", proxy=proxy)
                self.story.say(at, "connect", proxy=proxy)
                self.story.say(at + 0.1, "push", proxy=proxy, type="EDS", request=True)
        label = Label("restart", "control-plane", start, start + lasts)
        edges = np.flatnonzero(self.rng.random(len(self.mesh.edges)) < 0.5).tolist()
        rate = sum(self.mesh.edges[i].rate for i in edges)
        share = min(1.0, max(self._size(), 100) / (rate * lasts))
        signal = ORPHANS[int(self.rng.integers(len(ORPHANS)))]
        self._steady(label, start + 5, start + lasts, edges, Failing(signal, share))
        self._finish(label)

    def slow_ramp(self, slot: int) -> None:
        """Connections break ever more often, over an hour."""
        self._drift(slot, "slow-ramp", (503, "UC"), self.rng.uniform(1200, 3000), ramp=True)

    def timeouts(self, slot: int) -> None:
        """A service answers too late."""
        self._drift(slot, "timeouts", (504, "UT"), self.rng.uniform(60, 1200), ramp=False)

    def _drift(self, slot: int, kind: str, signal: Signal, lasts: float, *, ramp: bool) -> None:
        start = slot * float(BUCKET_S)
        _, edges = self._target()
        rate = sum(self.mesh.edges[i].rate for i in edges)
        share = min(1.0, self._size() / (rate * lasts))
        label = Label(kind, "workload", start, start + lasts)
        for step in range(int(lasts // BUCKET_S)):
            now = start + step * BUCKET_S
            level = share * (2 * step * BUCKET_S / lasts if ramp else 1.0)
            self._steady(label, now, now + BUCKET_S - 0.01, edges, Failing(signal, min(level, 1.0)))
        self._finish(label)

    def client_surge(self, slot: int) -> None:
        """A client sends nonsense: to stay silent about."""
        start = slot * float(BUCKET_S)
        _, edges = self._target()
        code = int(self.rng.choice([401, 403, 404, 429]))
        label = Label("client-surge", "client", start, start + 300, should_alarm=False)
        failing = Failing((code, "-"), self.rng.uniform(0.1, 0.8))
        self._steady(label, start, start + 300, edges, failing)
        self._finish(label)

    def crash_in_upgrade(self, slot: int) -> None:
        """A trap: the upgrade is innocent."""
        self._upgrade(slot * float(BUCKET_S))
        self.crash(slot + int(self.rng.integers(3, 30)))
        self.story.labels[-1].kind = "trap"

    def harmless_upgrade(self, slot: int) -> None:
        """A trap: nothing happens."""
        times = self._upgrade(slot * float(BUCKET_S))
        label = Label("harmless-upgrade", "none", slot * float(BUCKET_S), max(times.values()))
        label.should_alarm = False
        self.story.labels.append(label)

    def _finish(self, label: Label) -> None:
        """Keep a label whose fault left at least ten errors."""
        if label.excess >= 10:
            label.start_s = max(label.start_s, label.first_s)
            self.story.labels.append(label)
