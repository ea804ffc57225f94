"""What ``docker compose up`` would start, as processes of this machine."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml
from kafka.admin import KafkaAdminClient, NewTopic

from tests.deploy.manifests import BINARIES, ROOT, Document
from tests.parts.kafka import UnavailableError, free_port, jars

FILE = ROOT / "docker-compose.yml"
START_S = 60.0
_PROBED = re.compile(r"urlopen\('http://127\.0\.0\.1:(\d+)(/\w+)'")


def composition() -> Document:
    """The file, its anchors resolved."""
    found: Document = yaml.safe_load(FILE.read_text())
    return found


def service(name: str) -> Document:
    """One service of it."""
    found: Document = composition()["services"][name]
    return found


def settings_file(one: Document) -> Path:
    """The file that a service mounts as its settings."""
    sources = [str(volume).split(":")[0] for volume in one["volumes"]]
    (source,) = [source for source in sources if source.startswith("./deploy/")]
    return ROOT / source


def probed(one: Document) -> tuple[int, str]:
    """Port and path that a service's health check asks."""
    match = _PROBED.search(one["healthcheck"]["test"][-1])
    assert match is not None
    return int(match[1]), match[2]


def properties(port: int, folder: Path) -> str:
    """The broker's configuration, as its image derives it from the environment.

    ``KAFKA_LOG_DIRS`` becomes ``log.dirs``, and so on; every listener moves to a port of its own.
    """
    ports = {"9092": port, "9093": free_port(), "9094": free_port()}
    lines = []
    for name, value in service("kafka")["environment"].items():
        here = re.sub(r":(909\d)", lambda found: f":{ports[found[1]]}", value)
        here = re.sub(r"//(kafka|localhost)?:", "//127.0.0.1:", here).replace(
            "@localhost", "@127.0.0.1"
        )
        here = here.replace("/var/lib/kafka", str(folder))
        lines.append(f"{name.removeprefix('KAFKA_').replace('_', '.').lower()}={here}\n")
    return "".join(lines)


def java(*arguments: str) -> list[str]:
    """A program of Kafka's."""
    return ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-cp", jars(), *arguments]


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """The composition's broker; gives the port of its plain listener."""
    port = free_port()
    configuration = folder / "broker.properties"
    configuration.write_text(properties(port, folder))
    format_it = ["format", "-t", "cHVzaHdha2UtY29tcG9zZQ", "-c", str(configuration)]
    subprocess.run(java("kafka.tools.StorageTool", *format_it), check=True, capture_output=True)
    with (folder / "broker.log").open("wb") as log:
        running = subprocess.Popen(java("kafka.Kafka", str(configuration)), stdout=log, stderr=log)
    try:
        wait_for_port(port, running)
        yield port
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)


def make_topics(port: int, folder: Path) -> None:
    """Run the script that the composition makes its topics with, and do what it asks for.

    The tool that it calls does not come with the broker's jars: its arguments are read here.
    """
    shell, flags, script = service("topics")["command"]
    tool, asked = folder / "kafka-topics.sh", folder / "asked.txt"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    tool.chmod(0o755)
    here = script.replace("$$", "$").replace("/opt/kafka/bin/kafka-topics.sh", str(tool))
    subprocess.run([shell, flags, here], check=True, timeout=30)
    reader = argparse.ArgumentParser(exit_on_error=False)
    reader.add_argument("--bootstrap-server", choices=["kafka:9092"], required=True)
    reader.add_argument("--create", action="store_true", required=True)
    reader.add_argument("--if-not-exists", action="store_true", required=True)
    reader.add_argument("--topic", required=True)
    for number in ("--partitions", "--replication-factor"):
        reader.add_argument(number, type=int, required=True)
    wanted = [reader.parse_args(line.split()) for line in asked.read_text().splitlines()]
    with closing(KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")) as admin:
        admin.create_topics(
            [NewTopic(one.topic, one.partitions, one.replication_factor) for one in wanted]
        )


@contextmanager
def pushwake(name: str, folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Pushwake's: the service's command and settings, its store in a folder."""
    one = service(name)
    settings = str(settings_file(one))
    command = [settings if part.startswith("/etc/") else part for part in one["command"]]
    store = one["environment"]["PUSHWAKE_STORE__URL"].partition(":-")[2].rstrip("}")
    told = {
        "PATH": os.environ["PATH"],
        "PUSHWAKE_STORE__URL": store.replace("/var/lib/pushwake", str(folder)),
        "PUSHWAKE_RUN__PORT": "0",  # of this machine, whose own are taken
        **variables,
    }
    running = subprocess.Popen([str(BINARIES / "pushwake"), *command], env=told)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)


def wait_for_port(port: int, running: subprocess.Popen[Any]) -> None:
    """Until somebody listens.

    Raises:
        UnavailableError: the process ended, or nobody listens in time.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise UnavailableError(f"nobody listens at port {port}")
