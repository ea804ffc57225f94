"""``pushwake replay``: log files in, incidents out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from detector import documents, reporting, truth
from detector.commands.output import write
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.progress import progress
from detector.errors import InputError
from detector.replaying import Inputs, Outcome
from detector.replaying import replay as run_replay
from detector.report import phrases, table
from detector.settings import Settings
from detector.store import Store

EXIT_PARTLY_READ = 5
EXIT_INCIDENTS = 10
LATE_SHARE = 0.01
"""Share of late entries worth a warning: below it they are stragglers, above it the input is not
in order of time, as when the logs of several pods were joined one after another."""


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake replay``."""
    verb = verbs.add_parser(
        "replay",
        help="read log files and say what happened",
        description="Read access logs (or rollups) and control-plane logs; write incidents.",
    )
    verb.set_defaults(run=replay)
    what = verb.add_argument_group("input: files, globs, or - for standard input; plain, .gz, .zst")
    _add_paths(what, "--access-log", "istio-proxy output, any known format")
    _add_paths(what, "--rollups", "counts as Parquet, CSV or NDJSON")
    _add_paths(what, "--control-plane", "istiod logs, or control-plane events as NDJSON")
    what.add_argument("--truth", type=Path, metavar="PATH", help="labelled incidents to score by")
    out = verb.add_argument_group("output")
    out.add_argument("--out", type=Path, metavar="PATH", help="incidents as NDJSON; - for stdout")
    out.add_argument("--report", type=Path, metavar="PATH", help="a self-contained HTML page")
    out.add_argument("--store", metavar="URL", help="also keep incidents in this store")
    out.add_argument("--quiet", action="store_true", help="no table, no progress")
    out.add_argument(
        "--fail-on-incident", action="store_true", help="exit with 10 when incidents were found"
    )
    add_settings(verb)


def _add_paths(group: argparse._ArgumentGroup, flag: str, help_text: str) -> None:
    group.add_argument(flag, nargs="+", action="extend", default=[], metavar="PATH", help=help_text)


def replay(options: argparse.Namespace) -> int:
    """``pushwake replay``."""
    settings = settings_of(options)
    inputs = Inputs(options.access_log, options.rollups, options.control_plane)
    if bool(inputs.access) == bool(inputs.rollups):
        raise InputError(
            "nothing to read" if not inputs.access else "access logs and rollups together",
            where="pushwake replay",
            advice="Give either --access-log PATH... or --rollups PATH...",
        )
    labels = truth.read_truth(options.truth) if options.truth else None
    console = Console(stderr=options.out == Path("-"), quiet=options.quiet)
    with _store(options.store, settings) as store, progress(quiet=options.quiet) as on_progress:
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
        write(options.out, b"".join(msgspec.json.encode(one) + b"\n" for one in found))
    if options.report:
        page = reporting.page(outcome, settings, [*inputs.access, *inputs.rollups], result)
        write(options.report, page.encode())
        console.print(f"Report: {options.report}", soft_wrap=True, highlight=False)
    _warn(outcome)
    if options.fail_on_incident and found:
        return EXIT_INCIDENTS
    return EXIT_PARTLY_READ if outcome.problems else 0


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
