"""``pushwake series``: which series are known, and which are still being learnt."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.engine.engine import Engine
from detector.engine.standing import Standing, standings
from detector.errors import StoreVersionError
from detector.report import phrases, wording
from detector.store.progress import state
from detector.store.reading import reading
from detector.types import Series


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake series``."""
    verb = verbs.add_parser(
        "series",
        help="say which series are known, how long, and which are still being learnt",
        description="List the series that ever failed, from the store of a running or finished "
        "Pushwake: their usual rate, and how long they are still being learnt. A series that never "
        "failed has no entry; its first error is judged by what is known of its signal.",
    )
    verb.set_defaults(run=series)
    verb.add_argument("search", nargs="?", default="", help="part of a caller, service or signal")
    verb.add_argument("--learning", action="store_true", help="only those still being learnt")
    verb.add_argument("--limit", type=int, default=50, metavar="N", help="rows shown; 0 for all")
    verb.add_argument("--json", action="store_true", help="all of them as NDJSON")
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    add_settings(verb)


def series(options: argparse.Namespace) -> int:
    """``pushwake series``."""
    settings = settings_of(options)
    where = settings.store
    if options.store:
        where = msgspec.structs.replace(where, url=options.store)
    engine = Engine(settings.detection)
    with reading(where) as connection:
        bank = state(connection, "bank")
    if bank is not None:
        try:
            engine.restore(bank)
        except ValueError as error:
            raise StoreVersionError(
                f"its baselines cannot be read ({error})",
                where=where.url,
                advice="Give the settings that the worker has, and use the worker's version",
            ) from error
    told = [one for one in standings(engine) if options.search in " ".join(one.series)]
    if options.learning:
        told = sorted((one for one in told if one.left_s > 0), key=lambda one: -one.left_s)
    if options.json:
        for one in told:
            sys.stdout.write(msgspec.json.encode(one).decode() + "\n")
        return 0
    console = Console(highlight=False)
    console.print(_summary(told), soft_wrap=True)
    if evicted := engine.catalogue.keys.evicted:
        console.print(_evicted(evicted, engine.catalogue.gone), soft_wrap=True)
    shown = told[: options.limit] if options.limit > 0 else told
    if shown:
        console.print(_table(shown))
    if len(shown) < len(told):
        console.print(f"+{len(told) - len(shown):,} more; --limit 0 shows all")
    return 0


def _summary(told: Sequence[Standing]) -> str:
    if not told:
        return "No series fits."
    learning = sum(one.left_s > 0 for one in told)
    counted = sum(one.counted for one in told)
    parts = [f"{learning:,} still being learnt" if learning else "all of them learnt"]
    if counted:
        parts.append(f"{counted:,} counted, for their successes are not logged")
    return f"{len(told):,} series: {', '.join(parts)}."


def _evicted(count: int, last: Sequence[Series]) -> str:
    names = ", ".join(
        f"{wording.source(one.source)} to {wording.service(one.destination)} "
        f"{phrases.clean(one.signal, 24)}"
        for one in list(last)[-3:]
    )
    return f"{count:,} made room for others (detection.max_series), of late {names}."


def _table(told: Sequence[Standing]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("caller", overflow="fold", ratio=3)
    table.add_column("service", overflow="fold", ratio=3)
    table.add_column("signal", no_wrap=True)
    table.add_column("usual", justify="right", no_wrap=True)
    table.add_column("known", justify="right", no_wrap=True)
    table.add_column("learning", no_wrap=True)
    for one in told:
        left = phrases.duration(timedelta(seconds=one.left_s)) if one.left_s else "no"
        table.add_row(
            Text(wording.source(one.series.source)),
            Text(wording.service(one.series.destination)),
            Text(phrases.clean(one.series.signal, 24)),
            f"{one.rate:.2%}" if one.rate >= 1e-4 else f"{one.rate:.0e}",
            phrases.duration(timedelta(seconds=one.known_s)),
            f"{left} left" if one.left_s else left,
        )
    return table
