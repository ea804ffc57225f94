"""The lab's processes: started so that none survives the lab."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from detector.clock import monotonic_s

STOP_S = 5.0


class LabError(Exception):
    """The lab does not work; the message says which part and what it said."""


class Processes:
    """All processes of one lab.

    Each has a process group of its own, gets SIGTERM when the thread that started it dies, and is
    known to a guardian that ends it when the lab's own process was killed.

    Args:
        folder: made here, and removed by the guardian, which is there before it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        script = Path(__file__).with_name("guardian.py")
        self._guardian = subprocess.Popen(
            [sys.executable, "-S", "-E", str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        folder.mkdir(mode=0o700)
        self._running: list[subprocess.Popen[str]] = []

    def start(
        self,
        arguments: Sequence[str],
        *,
        stdin: int | None = subprocess.DEVNULL,
        stdout: IO[bytes] | int | None = subprocess.DEVNULL,
        stderr: IO[bytes] | int | None = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program that ends with this process."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(environment or {})},
            text=True,
            process_group=0,
        )
        self._running.append(process)
        assert self._guardian.stdin is not None
        self._guardian.stdin.write(f"{process.pid}\n")
        self._guardian.stdin.flush()
        return process

    def stop(self, process: subprocess.Popen[str]) -> None:
        """End one process: asked first, then forced."""
        process.send_signal(signal.SIGTERM)
        _wait(process, monotonic_s() + STOP_S)
        self._running.remove(process)

    def close(self) -> None:
        """End all, and the guardian, which removes the folder. Bounded in time."""
        for process in self._running:
            if process.stdin:
                process.stdin.close()
            process.send_signal(signal.SIGTERM)
        deadline = monotonic_s() + STOP_S
        for process in self._running:
            _wait(process, deadline)
            if process.stdout:
                process.stdout.close()
        self._running.clear()
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        _wait(self._guardian, monotonic_s() + STOP_S)


def _wait(process: subprocess.Popen[str], deadline: float) -> None:
    try:
        process.wait(max(0.1, deadline - monotonic_s()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Helper:
    """A process of the lab that takes orders (`lab.helper`)."""

    def __init__(
        self,
        processes: Processes,
        module: str,
        setup: Mapping[str, Any],
        errors: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = module
        self._errors = errors
        with errors.open("wb") as stderr:
            self._process = processes.start(
                [sys.executable, "-m", module, json.dumps(setup)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                environment=environment,
            )

    def ready(self) -> None:
        """Wait until it takes orders.

        Raises:
            LabError: it ended instead.
        """
        self._answer()

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Give an order and wait for the answer.

        Raises:
            LabError: it could not be carried out.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise LabError(f"{self.name} is gone: {self._said()}") from error
        answer = self._answer()
        if "error" in answer:
            raise LabError(f"{self.name} {do}: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LabError(f"{self.name} ended: {self._said()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _said(self) -> str:
        return self._errors.read_text(errors="replace")[-2000:].strip() or "nothing on stderr"
