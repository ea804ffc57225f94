"""Apache Kafka as a process on loopback: for tests, and for people with ``make kafka``.

The broker's jars come through Maven into ``build/kafka``. Where they cannot be had, `tansu`, which
speaks Kafka's protocol, stands in for what needs no real broker's behaviour.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.certificates import Authority

ROOT = Path(__file__).parents[2]
LIBS = ROOT / "build" / "kafka" / "libs"
USER, PASSWORD = "pushwake", "canary-7f3a91"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
CLUSTER = "cHVzaHdha2UtdGVzdHMtMQ"
START_S = 60
REACH_MS = 5_000  # for Maven to reach its repository at all


class UnavailableError(Exception):
    """Why a broker cannot be had here."""


def jars() -> str:
    """The class path of a broker, fetched once.

    Raises:
        UnavailableError: there is no Java or no Maven, or it finds no jars.
    """
    if os.environ.get("PUSHWAKE_BROKER") == "tansu":
        raise UnavailableError("PUSHWAKE_BROKER asks for tansu")
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise UnavailableError(f"no {program} on this machine")
    if not (LIBS / ".complete").exists():
        patience = [
            f"-Daether.connector.connectTimeout={REACH_MS}",
            "-Daether.connector.http.retryHandler.count=0",
        ]
        command = ["mvn", "-q", "-B", *patience, "-f", str(Path(__file__).parent / "pom.xml")]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={LIBS}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        if run.returncode:
            raise UnavailableError(f"Maven cannot fetch the broker: {run.stdout[-300:]}")
        (LIBS / ".complete").touch()
    return f"{LIBS}/*"


def free_port() -> int:
    """A port of loopback that nobody listens on, below those that connections are given.

    A port out of the kernel's own range could be another connection's by the time it is used.
    """
    for port in random.SystemRandom().sample(range(16_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise UnavailableError("no free port among 200 tried")


class Broker:
    """One broker and controller (KRaft); it may be killed and started again on its data.

    Listeners: plain, SASL (PLAIN and SCRAM, user `USER`) and TLS that asks for a certificate.
    """

    def __init__(self, directory: Path) -> None:
        self._jars = jars()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.authority = Authority(directory)
        self.port, self.sasl_port, self.tls_port = free_port(), free_port(), free_port()
        self._write_properties()
        users = [f"--add-scram={name}=[name={USER},password={PASSWORD}]" for name in SCRAM]
        store = ["format", "--standalone", "-t", CLUSTER, "-c", str(self._properties), *users]
        self._java("kafka.tools.StorageTool", *store)

    @property
    def bootstrap(self) -> str:
        """The plain listener, HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it listens."""
        with (self._directory / "broker.log").open("ab") as log:
            command = self._command("kafka.Kafka", str(self._properties))
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        tail = (self._directory / "broker.log").read_text(errors="replace")[-2000:]
        self.stop()
        raise UnavailableError(f"the broker does not start: {tail}")

    def kill(self) -> None:
        """End it without a goodbye."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _command(self, *arguments: str) -> list[str]:
        logging = Path(__file__).with_name("log4j2.xml")
        options = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [
            "java",
            *options,
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            self._jars,
            *arguments,
        ]

    def _java(self, *arguments: str) -> None:
        run = subprocess.run(
            self._command(*arguments), capture_output=True, text=True, timeout=60, check=False
        )
        if run.returncode:
            raise UnavailableError(f"{arguments[0]}: {run.stdout[-500:]}{run.stderr[-500:]}")

    def _write_properties(self) -> None:
        certificate, key = self.authority.issue("broker")
        store = self._directory / "broker-store.pem"
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        controller = free_port()
        plain = (
            "org.apache.kafka.common.security.plain.PlainLoginModule required "
            f'username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
        )
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        listeners = {
            "PLAINTEXT": self.port,
            "SASL_PLAINTEXT": self.sasl_port,
            "SSL": self.tls_port,
        }
        advertised = ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())
        self._properties = self._directory / "broker.properties"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,"
            "SSL:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": plain,
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": scram,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.file),
            "ssl.client.auth": "required",
            "log.dirs": str(self._directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "log.cleaner.backoff.ms": "200",
            "log.retention.check.interval.ms": "500",
            "log.retention.ms": "-1",  # tests write records of long ago
        }
        lines = (f"{name}={value}\n" for name, value in settings.items())
        self._properties.write_text("".join(lines))


@contextmanager
def running() -> Iterator[Broker]:
    """A broker on a directory of its own, stopped and wiped at the end."""
    with tempfile.TemporaryDirectory(prefix="pushwake-kafka-") as directory:
        broker = Broker(Path(directory))
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()


def main() -> None:
    """Run a broker until interrupted: ``make kafka``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    with running() as broker:
        sys.stdout.write(
            f"Apache Kafka on {broker.bootstrap}; SASL on {broker.sasl_port}, user {USER}\n"
        )
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
