"""A real Prometheus on loopback that knows a given past."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

START_S = 30.0


@contextmanager
def prometheus(folder: Path, openmetrics: Iterable[str]) -> Iterator[str]:
    """Its address; ``openmetrics`` are lines with times, those of a series together."""
    programs = [shutil.which(name) for name in ("prometheus", "promtool")]
    if None in programs:
        pytest.skip("Prometheus is not installed (Debian: apt-get install prometheus)")
    text, config, data = (folder / name for name in ("past.om", "prometheus.yml", "data"))
    text.write_text("\n".join([*openmetrics, "# EOF", ""]))
    config.write_text("scrape_configs: []\n")
    make = ["tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(["promtool", *make], check=True, capture_output=True)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    flags = {"config.file": config, "storage.tsdb.path": data, "web.listen-address": address}
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            ["prometheus", *(f"--{name}={value}" for name, value in flags.items())],
            stdout=log,
            stderr=log,
        )
    try:
        _wait(f"http://{address}/-/ready", server, folder / "prometheus.log")
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
    pytest.fail(f"Prometheus did not start: {log.read_text()[-1000:]}")
