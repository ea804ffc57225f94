"""Changes that people and pipelines announce."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from detector.cli import main
from detector.reconciliation import Mark
from detector.record import Record
from detector.settings import Settings, StoreSettings
from detector.store import Store
from detector.store.marks import close_mark, marking, open_mark, read_marks
from detector.store.reading import reading
from detector.worker import Worker
from tests.detector.test_ledger import at, connects, frame, row, told

UPGRADE = Mark(
    id="m1", kind="upgrade", started_at=at(95), ended_at=at(140), from_version="1.22.3",
    to_version="1.23.0", note="helm upgrade istiod", author="ci",
)  # fmt: skip


def test_a_mark_and_the_upgrade_that_was_observed_are_one_window() -> None:
    rows = [*connects(20, 0, 1, None), row(100, "control-plane-start"), *connects(20, 101, 1, None)]
    ledger = told(rows, 300)
    ledger.mark([UPGRADE])

    (window,) = ledger.all_windows()

    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.22.3", "1.23.0")
    assert len(window.reconciled) == 20
    assert window.reason.endswith("; upgrade marked by ci: helm upgrade istiod")


def test_a_mark_that_nothing_confirms_is_a_window_of_its_own() -> None:
    ledger = told(connects(20, 0, 1), 300)
    ledger.mark([UPGRADE])

    (window,) = ledger.step(frame([]), at(310))
    assert (window.kind, window.started_at, window.ended_at) == ("manual", at(95), at(140))
    assert ledger.all_windows() == ledger.windows(at(100)) == [window]
    assert ledger.windows(at(200)) == []
    assert ledger.step(frame([]), at(320)) == []


def test_a_mark_of_another_kind_or_time_joins_nothing() -> None:
    ledger = told([*connects(20, 0, 1), row(1000, "push", full=True)], 1200)
    ledger.mark([UPGRADE])

    assert [window.kind for window in ledger.all_windows()] == ["manual", "push"]


@pytest.fixture
def store(tmp_path: Path) -> StoreSettings:
    """The address of a store that a Pushwake made."""
    url = f"sqlite:///{tmp_path / 'a.db'}"
    Store.open(url).close()
    return StoreSettings(url=url)


def marks_in(store: StoreSettings) -> list[Mark]:
    with reading(store) as connection:
        return read_marks(connection)


def test_marks_are_written_beside_the_worker_once_and_closed_once(store: StoreSettings) -> None:
    with Store.open(store.url):
        for _ in range(2):
            with marking(store) as connection:
                open_mark(connection, UPGRADE)
        with marking(store) as connection:
            assert not close_mark(connection, "m1", at(500))  # it has ended
            assert not close_mark(connection, "other", at(500))

    assert marks_in(store) == [UPGRADE]


def test_the_worker_takes_marks_with_its_next_step_and_tells_of_them(store: StoreSettings) -> None:
    with Store.open(store.url) as held:
        worker = Worker(Settings())
        record = Record(held, worker, 0.0)
        assert main(["mark", "--kind", "upgrade", "--to", "1.23.0", "--store", store.url]) == 0
        record.commit()
        (window,) = held.windows()
        assert (window.kind, window.to_version, window.ended_at) == ("manual", "1.23.0", None)

        (mark,) = marks_in(store)
        begin = mark.started_at
        moved = [
            one | {"time": begin + (one["time"] - at(0))}
            for one in [*connects(20, 0, 1, None), *connects(20, 600, 0.1, None)]
        ]
        worker.ledger.step(frame(moved), begin + timedelta(seconds=700))
        record.commit()
        assert [one.kind for one in held.windows()] == ["manual", "reconnect-storm"]

        worker.ledger.step(
            frame([row(0, "control-plane-start") | {"time": begin + timedelta(seconds=800)}]),
            begin + timedelta(seconds=801),
        )
        again = [
            one | {"time": begin + (one["time"] - at(0))} for one in connects(20, 810, 0.1, None)
        ]
        worker.ledger.step(frame(again), begin + timedelta(seconds=900))
        record.commit()
        assert [one.kind for one in held.windows()] == ["reconnect-storm", "upgrade"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detector.cli", "mark", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_command_runs_inside_its_window_and_keeps_its_exit_code(store: StoreSettings) -> None:
    asks = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("
    asks += "'select count(*) from marks where ended_at is null').fetchone()[0]); sys.exit(7)"
    path = store.url.removeprefix("sqlite:///")
    done = run(
        *("--kind", "upgrade", "--from", "1.22.3", "--to", "1.23.0", "--store", store.url),
        *("--", sys.executable, "-c", asks, path),
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, "1\n", "")
    (mark,) = marks_in(store)
    assert (mark.kind, mark.from_version, mark.to_version) == ("upgrade", "1.22.3", "1.23.0")
    assert mark.ended_at is not None
    assert mark.note is not None
    assert mark.note.endswith("(exit code 7)")


@pytest.mark.parametrize(
    ("command", "code"), [(["/no/such/command"], 127), (["/"], 126), (["false"], 1)]
)
def test_what_cannot_be_run_ends_as_in_a_shell(
    store: StoreSettings, command: list[str], code: int
) -> None:
    assert run("--store", store.url, "--", *command).returncode == code
    assert all(mark.ended_at is not None for mark in marks_in(store))


def test_signals_reach_the_command_and_the_window_is_closed(store: StoreSettings) -> None:
    command = [sys.executable, "-m", "detector.cli", "mark", "--store", store.url, "--"]
    command += ["sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    (mark,) = marks_in(store)
    assert mark.ended_at is not None


def test_the_command_runs_even_if_the_mark_cannot_be_written(tmp_path: Path) -> None:
    done = run("--store", f"sqlite:///{tmp_path / 'none.db'}", "--", "echo", "done")

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "the window was not opened" in done.stderr


def test_without_a_command_the_window_stays_open_until_it_is_closed(
    store: StoreSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mark", "--kind", "rotation", "--store", store.url]) == 0
    mark_id = capsys.readouterr().out.strip()
    assert [mark.ended_at for mark in marks_in(store)] == [None]

    assert main(["mark", "--close", mark_id, "--store", store.url]) == 0
    assert [mark.ended_at is None for mark in marks_in(store)] == [False]
    assert main(["mark", "--close", mark_id, "--store", store.url]) == 3
    assert "no open mark has this id" in capsys.readouterr().err


@dataclass
class Seen:
    """What a server was asked, and what it answers."""

    url: str = ""
    status: int = 201
    body: bytes = b'{"id": "w7"}'
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@contextmanager
def server() -> Iterator[Seen]:
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.asked.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(seen.status)
            self.send_header("Content-Length", str(len(seen.body)))
            self.end_headers()
            self.wfile.write(seen.body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        seen.url = f"http://127.0.0.1:{http.server_port}/pushwake/"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield seen
        http.shutdown()
        thread.join()


def test_a_server_is_told_of_both_ends_with_the_token_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with server() as seen:
        code = main(
            [
                *("mark", "--kind", "upgrade", "--to", "1.23.0", "--server", seen.url),
                *("--token-file", str(tmp_path / "token"), "--", "true"),
            ]
        )

    assert code == 0
    (path, headers, said), (closing, _, _) = seen.asked
    assert (path, closing) == ("/pushwake/v1/windows", "/pushwake/v1/windows/w7/close")
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Idempotency-Key"].startswith("m")
    assert said == {"kind": "upgrade", "to_version": "1.23.0", "note": "true"}


@pytest.mark.parametrize(("status", "body"), [(403, b"no"), (201, b"<html>"), (201, b"[]")])
def test_a_server_that_refuses_or_talks_nonsense_is_told_and_stops_nothing(
    status: int, body: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHWAKE_TOKEN", "t")
    with server() as seen:
        seen.status, seen.body = status, body
        assert main(["mark", "--server", seen.url, "--", "true"]) == 0
        assert "the window was not opened" in capsys.readouterr().err
        assert main(["mark", "--server", seen.url]) == 3


def test_a_token_that_cannot_be_read_is_an_error_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["mark", "--server", "http://127.0.0.1:9", "--token-file", str(tmp_path / "none")]
    assert main([*arguments, "--", "touch", str(tmp_path / "ran")]) == 3
    assert "the token cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
