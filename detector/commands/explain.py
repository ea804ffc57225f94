"""``pushwake explain``: how a log line is understood, or why not."""

from __future__ import annotations

import argparse
import sys

import msgspec
from rich.console import Console

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.configure import formats_of
from detector.explaining import explanation
from pipelines.explain import explain as explain_line


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake explain``."""
    verb = verbs.add_parser(
        "explain",
        help="show how a log line is understood, field by field, or why not",
        description="Show how a log line is understood. Without LINE, reads standard input.",
    )
    verb.set_defaults(run=explain)
    verb.add_argument("line", nargs="?", metavar="LINE", help="the line, quoted for the shell")
    verb.add_argument(
        "--json", action="store_true", help="one JSON object a line, in the order of the input"
    )
    verb.add_argument(
        "--kind",
        choices=["auto", "access", "control-plane"],
        default="auto",
        help="what the stream is said to hold (default: %(default)s)",
    )
    add_settings(verb)


def explain(options: argparse.Namespace) -> int:
    """``pushwake explain``."""
    settings = settings_of(options)
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
