"""``pushwake notify``: the process that tells people, and ``pushwake notify test``."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import timedelta
from functools import partial
from threading import Event

import msgspec

from detector import clock
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.service import serve
from detector.errors import SettingsError
from detector.notify import (
    Desk,
    Health,
    Meter,
    Notifier,
    alive,
    couriers,
    ready,
    try_out,
)
from detector.probes import Probes
from detector.recalling import picture
from detector.settings import Settings
from detector.store.shared import SharedStore

log = logging.getLogger("pushwake.notify")

_EXAMPLE = "Write one as [notify.channels.NAME] with kind and secret_file; see docs/notify.md"


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake notify``."""
    verb = verbs.add_parser(
        "notify",
        help="tell Slack, webhooks and an Alertmanager of incidents",
        description="Tell the channels of the settings what a worker finds, as a process beside "
        "it, until SIGTERM. With 'test', send every channel (or those named) a message that says "
        "it is a test, and tell what each took; 3 if one did not.",
    )
    verb.set_defaults(run=run)
    verb.add_argument("what", nargs="?", choices=("test",), help="try the channels out, and end")
    verb.add_argument("channel", nargs="*", help="only these; by default all")
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    add_settings(verb)


def run(options: argparse.Namespace) -> int:
    """``pushwake notify``."""
    settings = settings_of(options)
    if options.store:
        store = msgspec.structs.replace(settings.store, url=options.store)
        settings = msgspec.structs.replace(settings, store=store)
    if options.what == "test":
        return _test(settings, options.channel)
    return serve(settings, _work, log)


def _test(settings: Settings, names: list[str]) -> int:
    known = settings.notify.channels
    if not known:
        raise SettingsError("there are no channels", where="notify.channels", advice=_EXAMPLE)
    for name in names:
        if name not in known:
            raise SettingsError(
                f"there is no channel {name}",
                where="pushwake notify test",
                advice=f"The settings have {', '.join(known)}",
            )
    good = True
    for name in names or known:
        for trial in try_out(name, settings, clock.now()):
            sys.stdout.write(f"{name}: {trial.words}\n")
            good = good and trial.good
    return 0 if good else 3


def _work(settings: Settings, stop: Event) -> None:
    meter, lease_s = Meter(), settings.store.lease_s
    store = SharedStore(settings.store)
    desk = Desk(store, lease_s, clock.now)

    def chart(incident_id: str) -> bytes | None:
        with store.reading() as connection:
            return picture(connection, incident_id, settings.detection.bucket_s)

    running = couriers(settings, desk, meter, charts=chart, now=clock.now)
    health = Health(couriers=running)
    kept = timedelta(days=settings.notify.kept_days)
    told = settings.notify
    with Probes(
        told.host,
        told.port,
        meter.registry,
        alive=partial(alive, health),
        ready=partial(ready, health),
    ) as probes:
        log.info("probes and metrics", extra={"fields": {"port": probes.port}})
        if not running:  # it stays: beside a worker in one pod, its end would be the pod's
            log.warning("there are no channels, so nothing is told. %s", _EXAMPLE)
        Notifier(desk, running, lease_s=lease_s, kept=kept, health=health, now=clock.now).run(stop)
