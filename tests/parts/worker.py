"""``pushwake run`` or ``pushwake rollup`` as a process, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

WAIT_S = 90.0


def eventually(holds: Callable[[], object], what: str, limit_s: float = WAIT_S) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.05)


class WorkerProcess:
    """A worker with settings of its own, its log read line by line."""

    def __init__(
        self,
        settings: Mapping[str, object],
        *flags: str,
        environment: Mapping[str, str] | None = None,
        verb: str = "run",
    ) -> None:
        command = [sys.executable, "-m", "detector.cli", verb, *flags]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Lines of the log so far."""
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    def told(self, text: str) -> bool:
        """Whether a line of the log holds a text; the process is not to end before."""
        found = any(text in line for line in list(self.lines))
        assert found or self.process.poll() is None, "".join(self.lines)
        return found

    def wait_until_told(self, text: str) -> None:
        """Wait until a line of the log holds a text."""
        eventually(lambda: self.told(text), f"{text!r} in {''.join(self.lines)}")

    @property
    def address(self) -> str:
        """Where probes and metrics are."""
        self.wait_until_told("probes and metrics")
        port = next(line["port"] for line in self.log if "port" in line)
        return f"http://127.0.0.1:{port}"

    def get(self, path: str) -> httpx.Response:
        """Ask for a page."""
        try:
            return httpx.get(self.address + path, timeout=10)
        except httpx.TransportError as error:
            raise AssertionError("".join(self.lines)) from error

    def metric(self, name: str) -> float:
        """The value of the one sample whose name and labels are ``name``; 0 when there is none."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return 0.0

    def end(self, signal_number: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(30)
        self._reader.join()
        return code

    def wait(self) -> int:
        """Wait for the end that it comes to by itself; the exit code."""
        code = self.process.wait(WAIT_S)
        self._reader.join()
        return code

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
