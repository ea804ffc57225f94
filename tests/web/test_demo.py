"""The demo's live pages: what a newcomer sees first."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx

from tests.web.conftest import PUSHWAKE, eventually
from tests.web.test_pages import words


def test_the_demo_serves_what_it_found_opens_a_browser_and_ends_with_ctrl_c(
    tmp_path: Path,
) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [PUSHWAKE, "demo", "--serve", "--report", tmp_path / "r.html", "--set", "web.port=0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "BROWSER": f"{browser} %s", "TMPDIR": str(scratch)},
    )
    try:
        assert process.stdout is not None
        told = ""
        while "Ctrl-C ends them." not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        found = re.search(r"Pages: (\S+)", told)
        assert found is not None
        with httpx.Client(base_url=found[1], timeout=60) as client:
            first = client.get("/")
            incident = re.search(r'href="(/incidents/[^"]+)"', first.text)
            assert incident is not None
            assert "followed the istiod upgrade" in words(first)
            assert "follows the istiod upgrade" in words(client.get(incident[1]))
            assert "Istiod upgrade" in words(client.get("/windows"))
            services = client.get("/services")
            service = re.search(r'href="(/services/[^"]+)"', services.text)
            assert service is not None
            assert "Usually fails" in words(client.get(service[1]))
        eventually(opened.exists)
        assert opened.read_text().strip() == found[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "r.html").stat().st_size > 100_000
    assert list(scratch.glob("pushwake-demo-*")) == []
