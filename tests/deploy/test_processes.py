"""The very commands of the manifests as processes; addresses alone are those of this machine."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from detector.store import Store
from tests.deploy.composition import wait_for_port
from tests.deploy.manifests import (
    BINARIES,
    KUBERNETES,
    Process,
    documents,
    environment,
    processes,
)
from tests.parts.kafka import free_port

READY_S = 20.0
STATEFUL = processes(documents(KUBERNETES / "single" / "statefulset.yaml"))
(ROLLUP,) = processes(documents(KUBERNETES / "scaled" / "rollup.yaml"))
SETTINGS = KUBERNETES / "base" / "pushwake.toml"
MOUNTED = "/etc/pushwake/pushwake.toml"


def named(name: str) -> Process:
    (one,) = [one for one in STATEFUL if one.name == name]
    return one


def command_of(process: Process) -> list[str]:
    arguments = [str(SETTINGS) if one == MOUNTED else one for one in process.container["args"]]
    return [str(BINARIES / "pushwake"), *arguments]


def surroundings(process: Process, folder: Path) -> dict[str, str]:
    told = environment(process, {})
    address = told["PUSHWAKE_STORE__URL"].replace("/var/lib/pushwake", str(folder))
    return {**told, "PUSHWAKE_STORE__URL": address, "PUSHWAKE_RUN__PORT": "0"}


@pytest.mark.parametrize("process", [*STATEFUL, ROLLUP], ids=lambda one: str(one.name))
def test_every_command_of_a_container_is_one_of_pushwake(process: Process) -> None:
    command = [*command_of(process), "--help"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 0, run.stderr
    assert "--config" in run.stdout


def test_the_worker_reads_its_settings_and_asks_for_the_broker_that_they_name(
    tmp_path: Path,
) -> None:
    process = named("run")
    told = surroundings(process, tmp_path)
    told |= {"PUSHWAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9", "PUSHWAKE_KAFKA__TIMEOUT_S": "1"}
    run = subprocess.run(
        command_of(process), env=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 3
    assert "127.0.0.1:9: no broker answers" in run.stderr


def test_the_rollup_worker_asks_for_the_broker_that_the_settings_name() -> None:
    told = environment(ROLLUP, {}) | {"PUSHWAKE_ROLLUP__PORT": "0"}
    told |= {"PUSHWAKE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9", "PUSHWAKE_KAFKA__TIMEOUT_S": "1"}
    run = subprocess.run(
        command_of(ROLLUP), env=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 3
    assert "127.0.0.1:9: no broker answers" in run.stderr


def test_the_web_process_answers_beyond_loopback_and_ends_in_good_order(tmp_path: Path) -> None:
    process = named("serve")
    told = surroundings(process, tmp_path) | {"PUSHWAKE_WEB__PORT": "0"}
    with subprocess.Popen(
        command_of(process), env=told, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().split()[-1]
            assert address.startswith("http://0.0.0.0:")
            here = address.replace("0.0.0.0", "127.0.0.1")
            shown = httpx.get(f"{here}openapi.json", timeout=10).status_code
            assert shown in (200, 401)  # beyond loopback it may ask for a token
            paths = [
                process.container[probe]["httpGet"]["path"].lstrip("/")
                for probe in ("livenessProbe", "readinessProbe")
            ]
            assert [httpx.get(f"{here}{path}").status_code for path in paths] == [200, 503]
            Store.open(told["PUSHWAKE_STORE__URL"]).close()  # as the worker makes it
            assert [httpx.get(f"{here}{path}").status_code for path in paths] == [200, 200]
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(25) in (0, -signal.SIGTERM)  # uvicorn dies of the signal it obeyed


def test_the_notifier_is_ready_with_no_channel_and_ends_in_good_order(tmp_path: Path) -> None:
    process, port = named("notify"), free_port()
    told = surroundings(process, tmp_path) | {"PUSHWAKE_NOTIFY__PORT": str(port)}
    Store.open(told["PUSHWAKE_STORE__URL"]).close()
    with subprocess.Popen(command_of(process), env=told) as running:
        try:
            wait_for_port(port, running)
            probed = process.container
            for probe in ("livenessProbe", "readinessProbe"):
                path = probed[probe]["httpGet"]["path"]
                assert answer(f"http://127.0.0.1:{port}{path}") == 200
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(25) == 0


def answer(address: str) -> int:
    """The status of the answer, once it is 200 or a while has passed."""
    deadline = time.monotonic() + READY_S
    while (status := httpx.get(address).status_code) != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    return status
