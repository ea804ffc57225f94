"""Runs a command of Pushwake again and again, and ends every life but the last with SIGKILL.

    python -m tests.parts.lives SEED KILLS COMMAND...

Every life is forked from an interpreter that has all modules imported: a life so costs what it
does, not two seconds of imports. Nothing but modules is shared; no thread was started before.
Most are killed at a random instant, some at places where it hurts, by themselves. A line is
printed for every life; the last one runs until this process gets SIGTERM, and lends its exit code.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable

from detector import cli
from detector.incidents import IncidentBook
from detector.store import rows
from pipelines.kafka import KafkaSource

LEASE_S = 0.05
LONGEST_S = 0.8
PATIENCE_S = 2.0  # for a place that is not reached, as while the broker is away
PLACES: dict[str, tuple[object, str]] = {
    "restoring": (IncidentBook, "restore"),  # half of the state is back
    "before commit": (rows, "count_step"),  # all statements of the transaction but its end
    "after commit": (KafkaSource, "committed"),  # and nobody has heard of it
}


def main(seed: int, kills: int, command: list[str]) -> int:
    """Live; the exit code of the last life."""
    rng = random.Random(seed)
    for number in range(1, kills + 1):
        place = rng.choice(["anywhere", "anywhere", "anywhere", *PLACES])
        end = _killed(command, place, rng)
        _tell(f"{number} {place}: {end}")
        time.sleep(2 * LEASE_S)
    child = _born(command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _tell(f"last {child}")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _killed(command: list[str], place: str, rng: random.Random) -> int:
    """One life; how it ended."""
    turns = rng.randint(1, 4)
    child = _born(command, place, turns)
    limit_s = PATIENCE_S if place in PLACES else rng.uniform(0.0, LONGEST_S)
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _born(command: list[str], place: str = "", turns: int = 0) -> int:
    child = os.fork()
    if child:
        return child
    if place in PLACES:
        owner, name = PLACES[place]
        turns = 1 if place == "restoring" else turns
        setattr(owner, name, _fatal(getattr(owner, name), turns))
    code = cli.main(command)
    os._exit(code)


def _fatal(function: Callable[..., object], turns: int) -> Callable[..., object]:
    """A function that lets itself be called so often, and no more."""
    left = turns

    def fatal(*arguments: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return fatal


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
