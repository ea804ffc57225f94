"""A bar on the terminal while a command reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pipelines.source import Progress as Read


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Callable[[Read], None]]:
    """A bar on stderr while reading; nothing when it is no terminal."""
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("Reading"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("read", total=None)

        def show(read: Read) -> None:
            bar.update(task, completed=read.read, total=read.total)

        yield show
