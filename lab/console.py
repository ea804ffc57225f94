"""What the commands of ``python -m lab`` do."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lab.mesh import GATEWAY, GATEWAY_PORT, HOST
from lab.parts import BUILD
from lab.process import LabError
from lab.running import Kafka, Lab, Options
from lab.scenarios import SCENARIOS
from lab.story import tell

RUNNING = BUILD / "up.pid"
STARTING_S, STOPPING_S = 60.0, 15.0
STEP_S = 0.1


def options(given: argparse.Namespace) -> Options:
    """The lab that a command line asks for."""
    kafka = Kafka(given.kafka, *given.topics) if given.kafka else None
    return Options(
        layouts=tuple(given.layouts),
        istio=given.istio,
        istiod_json=given.istiod_json,
        mixed=given.mixed,
        rate=given.rate,
        seed=given.seed,
        kafka=kafka,
    )


def up(given: argparse.Namespace) -> int:
    """Start a mesh: in the background, unless told otherwise."""
    if _pid() is not None:
        raise LabError("a mesh is up already: python -m lab down")
    if given.foreground:
        return _hold(options(given))
    BUILD.mkdir(parents=True, exist_ok=True)
    said = BUILD / "up.txt"
    arguments = [one for one in sys.argv[2:] if one != "--foreground"]
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", "up", "--foreground", *arguments],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    for _ in range(round(STARTING_S / STEP_S)):
        if process.poll() is not None or RUNNING.exists():
            break
        time.sleep(STEP_S)
    print(said.read_text().strip())
    return process.poll() or 0


def _hold(wanted: Options) -> int:
    """Run a mesh until this process is told to end."""
    BUILD.mkdir(parents=True, exist_ok=True)
    waiting = {signal.SIGTERM, signal.SIGINT}
    with Lab(wanted) as lab:
        signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
        gateways = ", ".join(f"{pod.ip}:{GATEWAY_PORT}" for pod in lab.mesh.of(GATEWAY.name))
        print(f"{len(lab.mesh.pods)} proxies, gateways at {gateways} (Host: {HOST})")
        print(f"logs in {lab.folder}/shipped; python -m lab down stops it", flush=True)
        with _claimed():
            signal.sigwait(waiting)
    return 0


@contextlib.contextmanager
def _claimed() -> Iterator[None]:
    """Say in a file that this process holds the mesh; the file is locked as long as it lives."""
    made = RUNNING.with_suffix(f".{os.getpid()}")
    with made.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        made.replace(RUNNING)
        try:
            yield
        finally:
            RUNNING.unlink(missing_ok=True)


def down(_: argparse.Namespace) -> int:
    """Stop the mesh."""
    pid = _pid()
    if pid is None:
        print("no mesh is up")
        return 0
    os.kill(pid, signal.SIGTERM)
    for _step in range(round(STOPPING_S / STEP_S)):
        if _pid() is None:
            return 0
        time.sleep(STEP_S)
    raise LabError(f"process {pid} does not end")


def scenario(given: argparse.Namespace) -> int:
    """Record scenarios, one after another."""
    names = list(SCENARIOS) if "all" in given.names else given.names
    for name in names:
        folder: Path = given.out / name
        truth = SCENARIOS[name].record(folder, options(given), given.quiet)
        for fault in truth.faults:
            label = fault.label()
            seen = ", ".join(f"{n} {flag} on {at}" for (at, flag), n in sorted(fault.seen.items()))
            print(f"{name}: {fault.id} ({fault.cause}), {label['start']}: {seen or 'no errors'}")
        print(f"{name}: {folder}", flush=True)
    return 0


def story(given: argparse.Namespace) -> int:
    """Let one thing happen after the other, until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        tell(options(given))
    return 0


def show(_: argparse.Namespace) -> int:
    """List the scenarios."""
    for one in SCENARIOS.values():
        print(f"{one.name:<22} {one.title}")
    return 0


def _pid() -> int | None:
    """The process that holds a mesh. A file that nobody holds was left by one that was killed."""
    try:
        with RUNNING.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except FileNotFoundError:
        return None
    RUNNING.unlink(missing_ok=True)
    return None
