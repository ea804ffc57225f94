"""What each command does, and how it tells of it: results on stdout, the rest on stderr."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from detector import documents, reporting, truth
from detector.configure import formats_of
from detector.errors import InputError
from detector.explaining import explanation
from detector.replaying import Inputs, Outcome
from detector.replaying import replay as run_replay
from detector.report import phrases, table, wording
from detector.settings import Settings, describe
from detector.signatures import catalogue
from detector.store import Store
from pipelines.explain import explain as explain_line
from pipelines.formats.catalogue import FORMATS
from pipelines.source import Progress as Read

EXIT_PARTLY_READ = 5
EXIT_INCIDENTS = 10
LATE_SHARE = 0.01
"""Share of late entries worth a warning: below it they are stragglers, above it the input is not
in order of time, as when the logs of several pods were joined one after another."""


def replay(options: argparse.Namespace, settings: Settings) -> int:
    """``pushwake replay``."""
    inputs = Inputs(options.access_log, options.rollups, options.control_plane)
    if bool(inputs.access) == bool(inputs.rollups):
        raise InputError(
            "nothing to read" if not inputs.access else "access logs and rollups together",
            where="pushwake replay",
            advice="Give either --access-log PATH... or --rollups PATH...",
        )
    labels = truth.read_truth(options.truth) if options.truth else None
    console = Console(stderr=options.out == Path("-"), quiet=options.quiet)
    with _store(options.store, settings) as store, _progress(quiet=options.quiet) as on_progress:
        outcome = run_replay(inputs, settings, on_progress, store)
    incidents = outcome.worker.incidents
    found = [msgspec.to_builtins(documents.document(one)) for one in incidents]
    console.print(table.incidents(incidents))
    result = None
    if labels is not None:
        result = truth.score(found, labels)
        console.print(table.scores(reporting.score_rows(result)))
        figures = msgspec.json.encode(result.as_dict()).decode()
        console.print(figures, soft_wrap=True, markup=False, highlight=False)
    if options.out:
        _write(options.out, b"".join(msgspec.json.encode(one) + b"\n" for one in found))
    if options.report:
        page = reporting.page(outcome, settings, [*inputs.access, *inputs.rollups], result)
        _write(options.report, page.encode())
        console.print(f"Report: {options.report}", soft_wrap=True, highlight=False)
    _warn(outcome)
    if options.fail_on_incident and found:
        return EXIT_INCIDENTS
    return EXIT_PARTLY_READ if outcome.problems else 0


def demo(options: argparse.Namespace, settings: Settings) -> int:
    """``pushwake demo``: the same path as a replay, on a recording inside the package."""
    console = Console()
    console.print(
        "Eleven real Envoy proxies serve a small shop. At 04:57 istiod is upgraded in place, and "
        "the proxies move over to the new one, one by one.\n"
    )
    with as_file(files("detector").joinpath("demo")) as folder, _progress() as on_progress:
        inputs = Inputs(
            access=[str(folder / "access.log.zst")], control=[str(folder / "istiod.log.zst")]
        )
        outcome = run_replay(inputs, settings, on_progress)
    incidents = outcome.worker.incidents
    for incident in incidents:
        console.print(wording.tell(incident), style="bold", highlight=False)
    console.print()
    console.print(table.incidents(incidents))
    _write(options.report, reporting.page(outcome, settings, ["demo recording"]).encode())
    console.print(f"Report: {options.report}", soft_wrap=True, highlight=False)
    if options.serve:
        webbrowser.open(options.report.resolve().as_uri())
    return 0


def explain(options: argparse.Namespace, settings: Settings) -> int:
    """``pushwake explain``."""
    formats = formats_of(settings)
    lines = [options.line.encode()] if options.line is not None else sys.stdin.buffer
    console = Console()
    for raw in lines:
        told = explain_line(raw.rstrip(b"\r\n"), kind=options.kind, formats=formats)
        if options.json:
            shown = told[0] if len(told) == 1 else {"kind": "batch", "entries": told}
            sys.stdout.buffer.write(msgspec.json.encode(shown) + b"\n")
        else:
            for one in told:
                console.print(explanation(one))
    return 0


def formats(_: argparse.Namespace) -> int:
    """``pushwake formats``."""
    console = Console(highlight=False)
    for name, description, sample in FORMATS:
        console.print(f"[bold]{name}[/bold]  {description}")
        console.print(f"  {sample}\n", markup=False, soft_wrap=True, style="dim")
    return 0


def signatures(_: argparse.Namespace) -> int:
    """``pushwake signatures``."""
    console = Console(highlight=False)
    for fault in catalogue():
        console.print(f"[bold]{fault.id}[/bold]  ({fault.cause})")
        console.print(Padding(Text(f"{fault.title}.\n{fault.advice}\n"), (0, 2)))
    return 0


def settings(_: argparse.Namespace) -> int:
    """``pushwake settings``."""
    console = Console(highlight=False)
    for setting in describe():
        console.print(f"[bold]{setting.key}[/bold] = {setting.default!r}", soft_wrap=True)
        console.print(Padding(Text(f"{setting.help}\n"), (0, 2)))
    return 0


def _write(path: Path, content: bytes) -> None:
    """Write a result whole, or leave what was there.

    Raises:
        InputError: the path cannot be written.
    """
    if path == Path("-"):
        sys.stdout.buffer.write(content)
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(path),
            advice="Name a file in a folder that exists and is yours",
        ) from error


def _warn(outcome: Outcome) -> None:
    """Say on stderr what a reader of the results must know about the input."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem in outcome.problems:
        console.print(f"pushwake: {problem}", markup=False)
    for reason, n in sorted(outcome.rejects.items()):
        places = "; ".join(str(place) for place in outcome.worker.rejects.first.get(reason, ()))
        many = phrases.plural(n, "record")
        console.print(f"pushwake: {many} not understood: {reason} ({places})", markup=False)
    late = outcome.worker.late
    if outcome.entries and late / outcome.entries > LATE_SHARE:
        console.print(
            f"pushwake: {late:,} of {outcome.entries:,} entries came too late and were left out. "
            "Give each pod's log as a file of its own, or raise detection.lateness_s.",
            markup=False,
        )


@contextmanager
def _store(url: str | None, settings: Settings) -> Iterator[Store | None]:
    """The store that was asked for, held while the block runs."""
    if url is None:
        yield None
    else:
        with Store.open(url, settings=settings.store) as store:
            yield store


@contextmanager
def _progress(*, quiet: bool = False) -> Iterator[Callable[[Read], None]]:
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
