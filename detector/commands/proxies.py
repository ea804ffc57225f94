"""``pushwake proxies``: who is connected to which istiod, who is stale, who is left behind."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector import clock
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.reconciliation import IstiodRow, ProxyRow, Stale, newest_version, stale
from detector.report import phrases
from detector.store.ledger_rows import read_istiods, read_proxies
from detector.store.progress import event_time
from detector.store.reading import reading

DAY = timedelta(hours=20)
"""Times less old than this are told without their date."""

_Told = tuple[ProxyRow, Stale | None]


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake proxies``."""
    verb = verbs.add_parser(
        "proxies",
        help="say which proxy is connected to which istiod, and which are stale or left behind",
        description="List the ledger's proxies from the store of a running or finished Pushwake.",
    )
    verb.set_defaults(run=proxies)
    verb.add_argument("search", nargs="?", help="part of a pod, namespace, workload, node, istiod")
    verb.add_argument(
        "--stale", action="store_true", help="only those that lack what they should have"
    )
    verb.add_argument(
        "--old", action="store_true", help="only those left on an older control plane"
    )
    verb.add_argument("--version", metavar="VERSION", help="only those on this control plane")
    verb.add_argument("--istiod", metavar="POD", help="only those of this istiod")
    verb.add_argument("--limit", type=int, default=50, metavar="N", help="rows shown; 0 for all")
    verb.add_argument("--json", action="store_true", help="all of them as NDJSON, with every time")
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    add_settings(verb)


def proxies(options: argparse.Namespace) -> int:
    """``pushwake proxies``."""
    settings = settings_of(options).store
    if options.store:
        settings = msgspec.structs.replace(settings, url=options.store)
    with reading(settings) as connection:
        now = event_time(connection) or clock.now()
        istiods = read_istiods(connection)
        found = read_proxies(
            connection, search=options.search, version=options.version, istiod=options.istiod
        )
    newest = newest_version(istiods)
    told = [(proxy, stale(proxy, now)) for proxy in found]
    if options.old:
        told = [one for one in told if one[0].version not in {None, newest}]
    if options.stale:
        told = sorted((one for one in told if one[1] is not None), key=_since)
    if options.json:
        _write_json(told)
        return 0
    console = Console(highlight=False)
    console.print(_summary(told, now, newest), soft_wrap=True)
    if istiods and not (options.search or options.stale or options.old):
        console.print(_istiods(istiods, now))
        for one in istiods:
            if one.skew_s is not None:
                ahead = "ahead of" if one.skew_s > 0 else "behind"
                name = phrases.clean(one.name or "istiod")
                console.print(
                    f"Clocks disagree: the agents' are {abs(one.skew_s):g} s {ahead} {name}'s.",
                    markup=False,
                )
    shown = told[: options.limit] if options.limit > 0 else told
    if shown:
        console.print(_table(shown, newest, now))
    if len(shown) < len(told):
        console.print(f"+{len(told) - len(shown):,} more; --limit 0 shows all")
    return 0


def _since(one: _Told) -> datetime:
    assert one[1] is not None
    return one[1].since


def _write_json(told: Sequence[_Told]) -> None:
    for proxy, why in told:
        line = msgspec.to_builtins(proxy) | {"stale": why and msgspec.to_builtins(why)}
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def _summary(told: Sequence[_Told], now: datetime, newest: str | None) -> Text:
    if not told:
        return Text(f"No proxy fits. As of {now:%Y-%m-%d %H:%M:%S} UTC.")
    versions = Counter(proxy.version or "an unknown version" for proxy, _ in told)
    parts = [f"{n:,} on {phrases.clean(version)}" for version, n in versions.most_common(4)]
    late = sum(why is not None for _, why in told)
    if late:
        parts.append(f"{late:,} stale")
    newest_told = f"; the newest control plane is {phrases.clean(newest)}" if newest else ""
    count = phrases.plural(len(told), "proxy", "proxies")
    return Text(f"{count}: {', '.join(parts)}{newest_told}. As of {now:%Y-%m-%d %H:%M:%S} UTC.")


def _istiods(found: Sequence[IstiodRow], now: datetime) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("istiod", "version", "revision"):
        table.add_column(name, overflow="fold")
    table.add_column("started", no_wrap=True)
    table.add_column("pushes", justify="right")
    table.add_column("proxies", justify="right")
    for one in found:
        table.add_row(
            _text(one.name or "(not named)"),
            _text(one.version),
            _text(one.revision),
            _time(one.started_at, now),
            f"{one.counter if one.counter is not None else one.pushes:,}",
            f"{one.connected:,}",
        )
    return table


def _table(told: Sequence[_Told], newest: str | None, now: datetime) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("proxy", overflow="fold", ratio=4)
    table.add_column("control plane", overflow="fold", ratio=3)
    table.add_column("connected", no_wrap=True)
    table.add_column("last push", no_wrap=True)
    table.add_column("note", overflow="fold", ratio=3)
    for proxy, why in told:
        plane = " ".join(filter(None, (proxy.version, proxy.istiod)))
        table.add_row(
            _text(proxy.name),
            _text(plane),
            _time(proxy.connected_at, now) if proxy.connected else Text("no"),
            _time(max(proxy.pushed.values(), default=None), now),
            _note(proxy, why, newest),
        )
    return table


def _note(proxy: ProxyRow, why: Stale | None, newest: str | None) -> Text:
    if why is not None:
        return Text(phrases.clean(f"{why.why}, since {why.since:%H:%M:%S}"), style="bold red")
    if newest is not None and proxy.version not in {None, newest}:
        return Text("old version", style="yellow")
    return Text("")


def _text(text: str | None) -> Text:
    return Text(phrases.clean(text) if text else "-")


def _time(time: datetime | None, now: datetime) -> Text:
    if time is None:
        return Text("-")
    return Text(f"{time:%H:%M:%S}" if now - time < DAY else f"{time:%m-%d %H:%M}")
