"""``pushwake mark``: announce a change of the control plane, and run the command that makes it.

The command's exit code is ours, and signals reach it. A mark that cannot be written is told and
stops nothing: the change is more important than its mark.
"""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from detector import clock
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import InputError, PushwakeError
from detector.marking import Marker, ServerMarker, StoreMarker
from detector.reconciliation import MARK_KINDS, Mark
from detector.settings import Settings

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell for a command that is not there, or cannot be run."""

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)
TOKEN = "_".join(("PUSHWAKE", "TOKEN"))
"""Name of the variable that holds the token."""


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake mark``."""
    verb = verbs.add_parser(
        "mark",
        help="announce a change of the control plane, and run the command that makes it",
        description="Open a window, run a command, close the window: "
        "pushwake mark --kind upgrade --from 1.22.3 --to 1.23.0 -- helm upgrade istiod ... "
        "Without a command the window stays open; --close ID ends it.",
    )
    verb.set_defaults(run=mark)
    kinds = ", ".join(MARK_KINDS)
    verb.add_argument(
        "--kind", choices=MARK_KINDS, default="manual", metavar="KIND", help=f"one of {kinds}"
    )
    verb.add_argument("--from", dest="before", metavar="VERSION", help="control plane before")
    verb.add_argument("--to", dest="after", metavar="VERSION", help="control plane after")
    verb.add_argument("--revision", metavar="NAME", help="revision that is changed or moved to")
    verb.add_argument("--note", metavar="TEXT", help="said with the window; else the command")
    verb.add_argument("--close", metavar="ID", help="end a window that was left open")
    verb.add_argument("--server", metavar="URL", help="a running Pushwake; else the store is used")
    verb.add_argument(
        "--token-file", type=Path, metavar="PATH", help=f"the server's token; else ${TOKEN}"
    )
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    add_settings(verb)
    verb.add_argument("command", nargs="*", metavar="COMMAND", help="after --: what to run")


def mark(options: argparse.Namespace) -> int:
    """``pushwake mark``."""
    marker = _marker(options, settings_of(options))
    if options.close:
        marker.close(options.close, options.note)
        return 0
    made = Mark(
        id=f"m{uuid.uuid4().hex[:16]}",
        kind=options.kind,
        started_at=clock.now(),
        from_version=options.before,
        to_version=options.after,
        revision=options.revision,
        note=options.note or " ".join(options.command) or None,
        author=_author(),
    )
    if not options.command:
        sys.stdout.write(f"{marker.open(made)}\n")
        return 0
    return _run_marked(marker, made, options.command)


def _run_marked(marker: Marker, made: Mark, command: Sequence[str]) -> int:
    opened: str | None = None
    try:
        opened = marker.open(made)
    except PushwakeError as error:
        _warn(f"the window was not opened, the command runs all the same: {error}")
    code = NOT_FOUND
    try:
        code = _run(command)
    finally:
        if opened is not None:
            try:
                marker.close(opened, f"{made.note} (exit code {code})")
            except PushwakeError as error:
                _warn(f"the window was not closed: {error}")
    return code


def _run(command: Sequence[str]) -> int:
    """Run a command in our place: its output, its signals, its exit code (128 + N if killed)."""
    started: list[int] = []
    # A signal that comes while the command is started waits until we know whom to pass it to.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    with _forwarding(started):
        try:
            started.append(
                os.posix_spawnp(
                    command[0],
                    list(command),
                    os.environ,
                    setsigmask=mask,
                    setsigdef=[signal.SIGINT],
                )
            )
        except FileNotFoundError:
            _warn(f"{command[0]}: command not found")
            return NOT_FOUND
        except OSError as error:
            _warn(f"{command[0]}: cannot be run ({error.strerror})")
            return NOT_EXECUTABLE
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = os.waitstatus_to_exitcode(os.waitpid(started[0], 0)[1])
    return code if code >= 0 else 128 - code


@contextmanager
def _forwarding(started: Sequence[int]) -> Iterator[None]:
    """Pass signals on; the terminal itself sends its interrupt to both of us."""

    def forward(number: int, _: FrameType | None) -> None:
        for process in started:
            os.kill(process, number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _marker(options: argparse.Namespace, settings: Settings) -> Marker:
    if options.server:
        return ServerMarker(options.server, _token(options.token_file))
    store = settings.store
    if options.store:
        store = msgspec.structs.replace(store, url=options.store)
    return StoreMarker(store)


def _token(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the token cannot be read ({error})",
            where=str(path),
            advice="Name a file that holds the token and nothing else",
        ) from error


def _author() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for its user
        return None


def _warn(text: str) -> None:
    sys.stderr.write(f"pushwake: {text}\n")
