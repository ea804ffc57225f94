"""A real Alertmanager on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

START_S = 30.0
NAMES = ("alertmanager", "prometheus-alertmanager")


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    """Its address."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Alertmanager (Debian: apt-get install prometheus-alertmanager)")
    config, log = folder / "alertmanager.yml", folder / "alertmanager.log"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    flags = {
        "config.file": config,
        "storage.path": folder / "alerts",
        "web.listen-address": address,
        "cluster.listen-address": "",
    }
    with log.open("wb") as out:
        server = subprocess.Popen(
            [program, *(f"--{name}={value}" for name, value in flags.items())],
            stdout=out,
            stderr=out,
        )
    try:
        _wait(f"http://{address}/-/ready", server, log)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail(f"Alertmanager did not start: {log.read_text()[-1000:]}")
