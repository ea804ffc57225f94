"""The composition: its file, and what it starts, as far as that goes without a container engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from compose_spec import PyCompose
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from detector.configure import load
from lab import console
from lab.__main__ import parser
from lab.scenarios import SCENARIOS
from lab.story import CHAPTERS
from tests.deploy.composition import (
    broker,
    composition,
    make_topics,
    probed,
    properties,
    pushwake,
    service,
    settings_file,
    wait_for_port,
)
from tests.deploy.manifests import ROOT, commands, tool
from tests.parts import missing
from tests.parts.kafka import UnavailableError, free_port, jars

PROCESSES = ("run", "serve", "notify", "rollup")
RECORDING = ROOT / "tests" / "data" / "recordings" / "a_upgrade_nc"
WAIT_S = 90.0


def checked(document: object) -> PyCompose:
    found = PyCompose.from_json(json.dumps(document))
    found.validate()
    found.validate_volumes()
    return found


def test_the_file_fits_the_compose_specification() -> None:
    names = checked(composition()).service_names()
    assert {*PROCESSES, "kafka", "topics", "postgres"} <= set(names)


def test_a_misspelt_key_or_a_volume_that_nobody_declares_would_be_noticed() -> None:
    wrong = composition()
    wrong["services"]["run"]["comand"] = ["run"]
    with pytest.raises(ValueError, match="comand"):
        checked(wrong)
    wrong = composition()
    del wrong["volumes"]["store"]
    with pytest.raises(ValueError, match="store"):
        checked(wrong)


def test_everything_is_published_on_loopback_only() -> None:
    ports = [port for one in composition()["services"].values() for port in one.get("ports", ())]
    assert len(ports) >= 3
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_is_locked_in_and_has_its_settings(name: str) -> None:
    one = service(name)
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    settings = load(settings_file(one))
    assert settings.kafka.bootstrap_servers == ("kafka:9092",)
    assert settings.web.host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "port"), [("run", 9470), ("serve", 8080), ("notify", 9471), ("rollup", 9472)]
)
def test_every_process_is_asked_whether_it_lives_where_kubernetes_asks(
    name: str, port: int
) -> None:
    assert probed(service(name)) == (port, "/livez")


def test_the_topics_that_are_made_are_those_that_are_read() -> None:
    script = service("topics")["command"][-1]
    wanted = load(settings_file(service("run"))).kafka.topics
    assert {one.split(":")[0] for one in script.split(" in ")[1].split(";")[0].split()} == set(
        wanted
    )


def test_the_broker_is_of_the_version_that_the_tests_run() -> None:
    pom = (ROOT / "tests" / "parts" / "pom.xml").read_text()
    version = service("kafka")["image"].rpartition(":")[2]
    assert f"<version>{version}</version>" in pom
    assert service("topics")["image"] == service("kafka")["image"]


def test_every_setting_of_the_broker_is_one_that_it_gets(tmp_path: Path) -> None:
    text = properties(1, tmp_path)
    assert "log.dirs=" in text
    assert "kafka:" not in text
    assert "localhost" not in text


def write(port: int, topic: str, path: Path) -> None:
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    with closing(KafkaProducer(bootstrap_servers=f"127.0.0.1:{port}", linger_ms=20)) as producer:
        for line in lines.splitlines():
            producer.send(topic, value=line)
        producer.flush()


def incidents(port: int) -> list[dict[str, Any]]:
    """What the web process tells; it says 503 until the worker has made the store."""
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/incidents", timeout=5)
    assert answer.status_code in (200, 503)
    found: list[dict[str, Any]] = answer.json().get("items", [])
    return found


def health(name: str, port: int) -> int:
    """The exit code of a service's health check, asked at another port."""
    _, python, flag, code = service(name)["healthcheck"]["test"]
    assert python == "python"
    there = code.replace(f":{probed(service(name))[0]}", f":{port}")
    return subprocess.run([sys.executable, flag, there], timeout=30, check=False).returncode


@pytest.mark.no_cover
@pytest.mark.parametrize("readers", [0, 2], ids=["alone", "scale"])
def test_broker_topics_worker_and_web_process_together_tell_of_an_incident(
    readers: int, tmp_path: Path
) -> None:
    try:
        jars()
    except UnavailableError as reason:
        missing("Apache Kafka", str(reason))
    web, probes = free_port(), free_port()
    with broker(tmp_path) as port:
        make_topics(port, tmp_path)
        with closing(KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")) as admin:
            assert {"istio-proxy", "istiod", "kubernetes-events"} <= set(admin.list_topics())
        address = {
            "PUSHWAKE_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
            "PUSHWAKE_ROLLUP__ON": str(readers > 0).lower(),
        }
        write(port, "istiod", RECORDING / "istiod.log.zst")
        write(port, "istio-proxy", RECORDING / "access.log.zst")
        with (
            ExitStack() as stack,
            pushwake("run", tmp_path, **address, PUSHWAKE_RUN__PORT=str(probes)) as working,
            pushwake("serve", tmp_path, PUSHWAKE_WEB__PORT=str(web)) as serving,
        ):
            for number in range(readers):
                alone = {"PUSHWAKE_ROLLUP__PORT": "0", "PUSHWAKE_ROLLUP__INSTANCE": str(number)}
                stack.enter_context(pushwake("rollup", tmp_path, **address, **alone))
            wait_for_port(probes, working)
            assert health("run", probes) == 0
            wait_for_port(web, serving)
            assert health("serve", web) == 0
            deadline = time.monotonic() + WAIT_S
            while not (found := incidents(web)) and time.monotonic() < deadline:
                time.sleep(0.5)
            page = httpx.get(f"http://127.0.0.1:{probes}/metrics").text
    (one,) = found
    assert one["attribution"]["cause"] == "control-plane"
    checked_page = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=page,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked_page.returncode, checked_page.stderr) == (0, "")
    assert 'pushwake_incidents_open{cause="control-plane"} 1.0' in page
    assert re.search(r'pushwake_records_total\{format="[\w.-]+",kind="access"\}', page)
    assert re.search(r'pushwake_records_total\{format="[\w.-]+",kind="istiod"\}', page)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_command_of_every_service_is_one_of_pushwake(name: str) -> None:
    assert name in commands()
    assert service(name)["command"] == [name, "--config", "/etc/pushwake/pushwake.toml"]


def test_the_mesh_to_watch_is_told_where_the_broker_is() -> None:
    one = service("mesh")
    assert one["profiles"] == ["demo"]
    told = parser().parse_args(one["command"])
    assert (told.run, told.kafka) == (console.story, "kafka:9092")
    assert set(told.topics) <= load(settings_file(service("run"))).kafka.topics.keys()
    assert set(CHAPTERS) <= SCENARIOS.keys()
