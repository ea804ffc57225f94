"""``pushwake demo``: a replay of the recording that ships with the package."""

from __future__ import annotations

import argparse
import webbrowser
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from detector import reporting
from detector.commands.output import write
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.progress import progress
from detector.replaying import Inputs
from detector.replaying import replay as run_replay
from detector.report import table, wording


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake demo``."""
    verb = verbs.add_parser(
        "demo",
        help="replay a recording of real Envoy proxies during an istiod upgrade",
        description="Replay a recording that ships with Pushwake: eleven real Envoy proxies while "
        "istiod is upgraded in place. Writes a report.",
    )
    verb.set_defaults(run=demo)
    verb.add_argument(
        "--report",
        type=Path,
        default=Path("pushwake-demo.html"),
        metavar="PATH",
        help="where to write the report (default: %(default)s)",
    )
    verb.add_argument("--serve", action="store_true", help="open the report in a browser")
    add_settings(verb)


def demo(options: argparse.Namespace) -> int:
    """``pushwake demo``: the same path as a replay, on a recording inside the package."""
    settings = settings_of(options)
    console = Console()
    console.print(
        "Eleven real Envoy proxies serve a small shop. At 04:57 istiod is upgraded in place, and "
        "the proxies move over to the new one, one by one.\n"
    )
    with as_file(files("detector").joinpath("demo")) as folder, progress() as on_progress:
        inputs = Inputs(
            access=[str(folder / "access.log.zst")], control=[str(folder / "istiod.log.zst")]
        )
        outcome = run_replay(inputs, settings, on_progress)
    incidents = outcome.worker.incidents
    for incident in incidents:
        console.print(wording.tell(incident), style="bold", highlight=False)
    console.print()
    console.print(table.incidents(incidents))
    write(options.report, reporting.page(outcome, settings, ["demo recording"]).encode())
    console.print(f"Report: {options.report}", soft_wrap=True, highlight=False)
    if options.serve:
        webbrowser.open(options.report.resolve().as_uri())
    return 0
