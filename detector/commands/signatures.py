"""``pushwake signatures``: the known faults, what to do about them, and how often each was seen."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence

import msgspec
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import SettingsError
from detector.report import phrases
from detector.signatures import Fault, selected
from detector.store.hits import Hits, signature_hits
from detector.store.reading import reading


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake signatures``."""
    text = "list the known faults, yours among them, with how often each was found"
    verb = verbs.add_parser("signatures", help=text, description=text.capitalize() + ".")
    verb.set_defaults(run=signatures)
    verb.add_argument("id", nargs="?", help="tell all about one fault")
    verb.add_argument("--store", metavar="URL", help="count what was found in this store")
    add_settings(verb)


def signatures(options: argparse.Namespace) -> int:
    """``pushwake signatures``."""
    settings = settings_of(options)
    faults = selected(settings.signatures)
    hits: Mapping[str, Hits] = {}
    if options.store:
        with reading(msgspec.structs.replace(settings.store, url=options.store)) as connection:
            hits = signature_hits(connection)
    console = Console(highlight=False)
    if options.id is not None:
        _tell(console, _named(options.id, faults), hits)
        return 0
    console.print(_table(faults, hits, counted=bool(options.store)))
    off = f", {len(settings.signatures.off)} off" if settings.signatures.off else ""
    console.print(f"{len(faults)} known faults{off}. 'pushwake signatures ID' tells more of one.")
    return 0


def _named(wanted: str, faults: Sequence[Fault]) -> Fault:
    ids = {fault.id: fault for fault in faults}
    if wanted in ids:
        return ids[wanted]
    near = difflib.get_close_matches(wanted, list(ids), 1)
    raise SettingsError(
        "no known fault has this id",
        where=wanted,
        advice=f"Did you mean {near[0]}?" if near else "'pushwake signatures' lists them",
    )


def _table(faults: Sequence[Fault], hits: Mapping[str, Hits], *, counted: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("fault", no_wrap=True)
    table.add_column("what happens", overflow="fold", ratio=1)
    table.add_column("cause", no_wrap=True)
    if counted:
        table.add_column("found", justify="right")
        table.add_column("last", no_wrap=True)
    for fault in sorted(faults, key=lambda one: one.cause != "control-plane"):
        cells = [fault.id, phrases.clean(fault.title, 200), fault.cause]
        if counted:
            hit = hits.get(fault.id)
            cells += [f"{hit.times:,}", f"{hit.last:%Y-%m-%d}"] if hit else ["-", "-"]
        table.add_row(*map(Text, cells))
    return table


def _tell(console: Console, fault: Fault, hits: Mapping[str, Hits]) -> None:
    console.print(Text(fault.id, style="bold"))
    hit = hits.get(fault.id)
    found = f"{hit.times:,} times, last on {hit.last:%Y-%m-%d %H:%M} UTC" if hit else None
    versions = fault.versions
    facts = {
        "what happens": fault.title,
        "cause": fault.cause + (" (looks like the control plane's)" if fault.confounder else ""),
        "signals": ", ".join(fault.signals),
        "codes": ", ".join(map(str, fault.codes)),
        "details": fault.details,
        "seen by": fault.reporter,
        "windows": ", ".join(fault.windows),
        "versions": " to ".join(filter(None, (versions.before, versions.after))),
        "follows": {"proxy": "each proxy", "mesh": "the whole mesh"}.get(fault.alignment, ""),
        "what to do": fault.advice,
        "found": found,
        "references": ", ".join(fault.references),
    }
    for name, said in facts.items():
        if said:
            console.print(Padding(Text(f"{name}: {said}"), (0, 2)))
