"""``pushwake poll``: ask istiod itself, and write what changed as control-plane events."""

from __future__ import annotations

import argparse
import sys
import time

import msgspec

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import InputError
from detector.polling import Health, Poller
from pipelines.events import write_events


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake poll``."""
    verb = verbs.add_parser(
        "poll",
        help="ask istiod for its metrics and proxies; write what changed as events",
        description="Ask every istiod (istiod.urls) or a Prometheus (istiod.prometheus) in rounds. "
        "Events go to standard output as NDJSON, which --control-plane reads; how it goes is told "
        "on standard error.",
    )
    verb.set_defaults(run=poll)
    verb.add_argument("url", nargs="*", metavar="URL", help="in place of istiod.urls")
    verb.add_argument("--prometheus", metavar="URL", help="in place of istiod.prometheus")
    verb.add_argument("--rounds", type=int, default=0, metavar="N", help="end after N; 0: never")
    add_settings(verb)


def poll(options: argparse.Namespace) -> int:
    """``pushwake poll``; 3 when not one endpoint answered in the last round."""
    settings = settings_of(options).istiod
    if options.url or options.prometheus:
        settings = msgspec.structs.replace(
            settings, urls=tuple(options.url), prometheus=options.prometheus or ""
        )
    if not settings.urls and not settings.prometheus:
        raise InputError(
            "nobody to ask",
            where="pushwake poll",
            advice="Name istiod's monitoring port, as http://istiod.istio-system.svc:15014",
        )
    poller = Poller(settings)
    told: dict[str, str | None] = {}
    number = 0
    while True:
        poller.round()
        for line in write_events(poller.take()):
            sys.stdout.write(line)
        sys.stdout.flush()
        health = poller.health()
        _tell(health, told)
        number += 1
        if number == options.rounds:
            return 0 if any(one.problem is None for one in health) else 3
        time.sleep(settings.every_s)


def _tell(health: list[Health], told: dict[str, str | None]) -> None:
    """Say what changed: a problem once, and that it is over."""
    for one in health:
        if told.get(one.endpoint, "") != one.problem:
            said = one.problem or "answers"
            sys.stderr.write(f"pushwake: {one.endpoint}: {said}\n")
            told[one.endpoint] = one.problem
