"""Sends a mix at a rate, whatever the mesh makes of it, and counts the answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from detector.clock import monotonic_s
from detector.traffic.client import Client, Target
from detector.traffic.mix import Mix, Request

Rpc = Callable[[int], Awaitable[int]]
"""Makes a gRPC call with so many bytes; answers the gRPC status."""

MOST_OPEN = 600
"""Requests under way at a time; beyond it requests are counted as withheld, not queued: a
generator that queues hides the stall of what it measures."""


class Driver:
    """An open loop: requests start at random moments of the given rate.

    Args:
        mix: what to send.
        targets: where to, each as often as the others.
        rpc: makes the calls of the kind grpc; without it there are none.
    """

    def __init__(self, mix: Mix, targets: Sequence[Target], rpc: Rpc | None = None) -> None:
        self.mix = mix
        self.rate = 0.0  # requests a second; may be changed at any time
        self.only: str | None = None  # send nothing but this kind
        self.sent: Counter[str] = Counter()  # kind/status
        self._targets = targets
        self._rpc = rpc
        self._client = Client()
        self._open: set[asyncio.Task[None]] = set()

    async def run(self, duration_s: float | None = None) -> None:
        """Send for this long, or until cancelled; waits for the last answers."""
        start = due = monotonic_s()
        try:
            while duration_s is None or due - start < duration_s:
                if self.rate <= 0:
                    await asyncio.sleep(0.05)
                    due = monotonic_s()
                    continue
                due += self.mix.random.expovariate(self.rate)
                await asyncio.sleep(max(0.0, due - monotonic_s()))
                self._start()
            if self._open:
                await asyncio.wait(self._open, timeout=5)
        finally:
            for task in self._open:
                task.cancel()
            self._client.close()

    def _start(self) -> None:
        if len(self._open) >= MOST_OPEN:
            self.sent["withheld"] += 1
            return
        request = self.mix.draw(self.only)
        task = asyncio.create_task(self._send(request))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _send(self, request: Request) -> None:
        if request.kind == "grpc":
            if self._rpc:
                self.sent[f"grpc/{await self._rpc(request.body)}"] += 1
            return
        status = await self._client.send(self.mix.random.choice(self._targets), request)
        self.sent[f"{request.kind}/{status}"] += 1
