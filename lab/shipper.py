"""Tails what the proxies and istiods print: into Kafka in Fluent Bit's shape, and into files."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from detector.clock import now
from lab import envelope, helper
from lab.envelope import Container
from lab.mesh import Mesh

POLL_S = 0.2
Sink = Callable[[Container, list[str]], None]


@dataclass
class Tail:
    """Whole lines that were added to a file since they were last asked for."""

    path: Path
    source: Container
    sinks: list[Sink]
    _at: int = 0
    _rest: bytes = field(default=b"")

    def ship(self) -> int:
        """Hand on what is new; how many lines."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._at)
                data = stream.read()
        except FileNotFoundError:
            return 0
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        # Latin-1 would hide damage; the lines are UTF-8 but for what clients forge.
        found = [line.decode("utf-8", "replace") for line in lines]
        if found:
            for sink in self.sinks:
                sink(self.source, found)
        return len(found)


class Shipper:
    """The tails of a lab and where their lines go."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._mesh = Mesh(setup["octet"])
        self._folder = Path(setup["folder"])
        self._out = self._folder / "shipped"
        self._layouts = [layout for layout, _ in setup["logs"]]
        kafka = setup.get("kafka") or {}
        self._topics = kafka.get("topics", {})
        self._producer = (
            KafkaProducer(bootstrap_servers=kafka["address"], linger_ms=50, acks="all")
            if kafka
            else None
        )
        self._tails = list(self._proxies())
        self._istiods: dict[str, Tail] = {}
        self.shipped = 0

    async def run(self) -> None:
        """Ship until cancelled."""
        while True:
            self.ship()
            await asyncio.sleep(POLL_S)

    def ship(self) -> None:
        """Ship what is there."""
        for path in sorted((self._folder / "istiod").glob("*.log")):
            if path.stem not in self._istiods:
                source = envelope.istiod(path.stem, self._mesh.xds)
                sinks = [self._to_file("istiod.log", prefix=False), *self._to_kafka("control")]
                self._istiods[path.stem] = Tail(path, source, sinks)
        for tail in [*self._tails, *self._istiods.values()]:
            self.shipped += tail.ship()

    async def drain(self) -> dict[str, Any]:
        """Ship all there is, and wait until Kafka has it."""
        self.ship()
        if self._producer:
            self._producer.flush(10)
        return {"shipped": self.shipped}

    def _proxies(self) -> list[Tail]:
        first, *others = self._layouts
        tails = []
        for pod in self._mesh.pods:
            source = envelope.sidecar(pod)
            own = self._folder / "proxy" / f"{pod.name}.log"
            tails.append(Tail(own, source, [self._to_file("proxy.log", prefix=True)]))
            path = self._folder / "logs" / f"{pod.name}.log"
            tails.append(Tail(path, source, [self._sink(first), *self._to_kafka("access")]))
            for layout in others:
                path = self._folder / "layouts" / f"{pod.name}.{layout}.log"
                tails.append(Tail(path, source, [self._sink(layout)]))
        return tails

    def _sink(self, layout: str) -> Sink:
        """The file of a layout: text as stern prints it, JSON in Fluent Bit's envelope."""
        if layout != "json":
            return self._to_file(f"access.{layout}.log", prefix=True)
        stream = (self._out / "access.json").open("ab")

        def write(source: Container, lines: list[str]) -> None:
            at = now()
            stream.write(b"".join(envelope.wrap(source, line, at) + b"\n" for line in lines))
            stream.flush()

        return write

    def _to_file(self, name: str, *, prefix: bool) -> Sink:
        stream = (self._out / name).open("a", encoding="utf-8")

        def write(source: Container, lines: list[str]) -> None:
            head = source.stern if prefix else ""
            stream.write("".join(f"{head}{line}\n" for line in lines))
            stream.flush()

        return write

    def _to_kafka(self, kind: str) -> list[Sink]:
        producer, topic = self._producer, self._topics.get(kind)
        if producer is None or topic is None:
            return []

        def send(source: Container, lines: list[str]) -> None:
            at = now()
            for line in lines:
                value = envelope.wrap(source, line, at)
                producer.send(topic, value=value, key=source.pod.encode())

        return [send]


async def main() -> None:
    """Ship until standard input ends."""
    shipper = Shipper(json.loads(sys.argv[1]))
    running = asyncio.create_task(shipper.run())
    await helper.serve({"drain": shipper.drain})
    running.cancel()


if __name__ == "__main__":
    asyncio.run(main())
