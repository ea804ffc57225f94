"""Cleans up behind a lab whose process was killed.

It waits until its standard input ends, which happens when the process that holds the other end
dies, however it dies. Then it ends what is left of the lab and removes its folder. Standard
library only, started with ``python -S``: it must be up before anything else.

Usage: ``python -S guardian.py FOLDER``; on standard input one process group a line.
"""

import os
import shutil
import signal
import sys
import time

GRACE_S, STEP_S = 2.0, 0.05


def main() -> None:
    """Wait, then clean up."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups = [int(line) for line in sys.stdin if line.strip()]
    for _ in range(round(GRACE_S / STEP_S)):
        if not any(_signal(group, 0) for group in groups):
            break
        time.sleep(STEP_S)
    for group in groups:
        _signal(group, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


def _signal(group: int, number: int) -> bool:
    """Whether there was anyone to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
