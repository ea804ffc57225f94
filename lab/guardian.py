"""Cleans up behind a lab whose process was killed.

It waits until its standard input ends, which happens when the process that holds the other end
dies, however it dies. Then it ends what is left of the lab and removes its folder. Standard
library only, started with ``python -S`` and in a session of its own: it must be up before
anything else, and what is sent to the lab's group or terminal must not reach it.

Usage: ``python -S guardian.py FOLDER``; on standard input one process group a line.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress

GRACE_S, STEP_S = 2.0, 0.05


def main() -> None:
    """Wait, then clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    folder = sys.argv[1]
    groups = [int(line) for line in sys.stdin if line.strip()]
    _wait(folder, groups)
    for group in groups:
        _signal(group, signal.SIGKILL)
    for process in _strays(folder):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    _wait(folder, groups)  # none of them writes into the folder any more
    shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: str, groups: list[int]) -> None:
    """Wait until all have ended, for a while."""
    for _ in range(round(GRACE_S / STEP_S)):
        if not any(_signal(group, 0) for group in groups) and not _strays(folder):
            return
        time.sleep(STEP_S)


def _signal(group: int, number: int) -> bool:
    """Whether there was anyone to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _strays(folder: str) -> list[int]:
    """Processes that the lab had started and not named yet: their command lines name its folder."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as stream:
                if folder.encode() in stream.read():
                    found.append(int(name))
        except OSError:  # it ended meanwhile
            continue
    return found


if __name__ == "__main__":
    main()
