"""``pushwake demo``: a replay of the recording that ships with the package."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path
from threading import Thread

import msgspec
from rich.console import Console

from detector import reporting
from detector.commands import serve
from detector.commands.output import write
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.progress import progress
from detector.replaying import Inputs, Outcome
from detector.replaying import replay as run_replay
from detector.report import table, wording
from detector.settings import Settings
from detector.store import Store

_STORY = """\
Eleven real Envoy proxies serve a small shop. At 04:57 istiod is upgraded in place, and the \
proxies move over to the new one, one by one.
"""
_TOUR = """\

Pages: {address}
  Now        the last minutes at a glance; click the incident in the table
  Incident   what broke, why, how sure, and the best argument against it; scroll down for each
             proxy's errors against its own reconnect
  Windows    what the upgrade cost, proxy by proxy
  Services   what is normal for each of them; Proxies: who is connected to which istiod
These are the pages that `pushwake serve` shows beside a worker. Ctrl-C ends them.
"""


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
    verb.add_argument(
        "--serve",
        action="store_true",
        help="then serve the pages on what was found, and open them in a browser",
    )
    add_settings(verb)


def demo(options: argparse.Namespace) -> int:
    """``pushwake demo``: the same path as a replay, on a recording inside the package."""
    settings = settings_of(options)
    console = Console()
    console.print(_STORY)
    if not options.serve:
        _tell(console, _replayed(settings, None), settings, options.report)
        return 0
    with _store(settings) as (own, store):
        with store:
            outcome = _replayed(own, store)
        _tell(console, outcome, own, options.report)
        with suppress(KeyboardInterrupt):  # that is how it ends
            serve.run(own, lambda address: _show(console, address))
    return 0


def _replayed(settings: Settings, store: Store | None) -> Outcome:
    with as_file(files("detector").joinpath("demo")) as folder, progress() as on_progress:
        inputs = Inputs(
            access=[str(folder / "access.log.zst")], control=[str(folder / "istiod.log.zst")]
        )
        return run_replay(inputs, settings, on_progress, store)


@contextmanager
def _store(settings: Settings) -> Iterator[tuple[Settings, Store]]:
    """A store of the demo's own, gone with it, and the settings that name it."""
    with tempfile.TemporaryDirectory(prefix="pushwake-demo-") as folder:
        url = f"sqlite:///{Path(folder) / 'pushwake.db'}"
        own = msgspec.structs.replace(settings.store, url=url)
        yield (
            msgspec.structs.replace(settings, store=own),
            Store.open(url, settings=own),
        )


def _tell(console: Console, outcome: Outcome, settings: Settings, report: Path) -> None:
    incidents = outcome.worker.incidents
    for incident in incidents:
        console.print(wording.tell(incident), style="bold", highlight=False)
    console.print()
    console.print(table.incidents(incidents))
    write(report, reporting.page(outcome, settings, ["demo recording"]).encode())
    console.print(f"Report: {report}", soft_wrap=True, highlight=False)


def _show(console: Console, address: str) -> None:
    console.print(_TOUR.format(address=address), soft_wrap=True, highlight=False)
    # A browser of the terminal's would keep us from serving it.
    Thread(target=webbrowser.open, args=(address,), daemon=True).start()
