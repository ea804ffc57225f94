"""PostgreSQL as a process on a socket of its own: Debian's package, run as its own user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import psycopg

USER = "postgres"
FAST = "-c fsync=off -c full_page_writes=off -c max_connections=40 -c shared_buffers=16MB"


class UnavailableError(Exception):
    """Why no server can be had here."""


def programs() -> Path:
    """The folder of the newest server on this machine.

    Raises:
        UnavailableError: there is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    if (initdb := shutil.which("initdb")) is not None:
        return Path(initdb).parent
    raise UnavailableError("no PostgreSQL server is installed (apt-get install postgresql)")


class Postgres:
    """One server, stopped and started at will; reached by a socket in its own folder."""

    def __init__(self) -> None:
        self._programs = programs()
        self._directory = Path(tempfile.mkdtemp(prefix="pushwake-postgres-"))
        if os.geteuid() == 0:  # the server refuses to run as root
            if shutil.which("runuser") is None:
                raise UnavailableError("running as root, and there is no runuser")
            shutil.chown(self._directory, USER)
        self._run("initdb", "-A", "trust", "-U", USER, "-N", "--locale=C.UTF-8")

    def start(self) -> None:
        """Start, and wait until it answers."""
        sockets = f"-c unix_socket_directories={self._directory} -c listen_addresses="
        log = str(self._directory / "log")
        self._run("pg_ctl", "start", "-w", "-l", log, "-o", f"{FAST} {sockets}")

    def stop(self) -> None:
        """End it at once: connections break, what was committed stays."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast")

    def new(self) -> str:
        """The store's address of a new, empty database."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(host=str(self._directory), user=USER, autocommit=True) as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
            )
        return f"postgresql://{USER}@/{name}?host={self._directory}"

    def remove(self) -> None:
        """Stop and delete everything."""
        subprocess.run(
            self._command("pg_ctl", "stop", "-m", "immediate"), check=False, capture_output=True
        )
        shutil.rmtree(self._directory, ignore_errors=True)

    def _command(self, program: str, *arguments: str) -> Sequence[str]:
        switch = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        data = ["-D", str(self._directory / "data")]
        return [*switch, str(self._programs / program), *data, *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        run = subprocess.run(
            self._command(program, *arguments), capture_output=True, text=True, timeout=60,
            check=False, cwd=self._directory,
        )  # fmt: skip
        if run.returncode:
            raise UnavailableError(f"{program}: {run.stdout[-500:]}{run.stderr[-500:]}")
