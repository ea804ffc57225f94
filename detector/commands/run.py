"""``pushwake run``: the deployed worker."""

from __future__ import annotations

import argparse
import signal
from contextlib import closing
from threading import Event

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import InputError
from detector.live import Live, Status
from detector.live.kafka import source_of
from detector.record import Record
from detector.settings import Settings
from detector.store import Store
from detector.worker import Worker
from pipelines.source import SourceError


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake run``."""
    verb = verbs.add_parser(
        "run",
        help="read topics of Kafka for good and keep incidents in the store",
        description="Consume the access logs' and the control plane's topics, judge, and keep "
        "incidents and all state in the store. It ends on SIGTERM after a last commit, and on any "
        "failure of broker or store: let it be started again, it goes on where it was.",
    )
    verb.set_defaults(run=run)
    add_settings(verb)


def run(options: argparse.Namespace) -> int:
    """``pushwake run``."""
    settings = settings_of(options)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        _work(settings, stop)
    except SourceError as error:
        raise InputError(error.what, where=error.where, advice=error.advice) from error
    return 0


def _work(settings: Settings, stop: Event) -> None:
    with (
        Store.open(settings.store.url, settings=settings.store) as store,
        closing(source_of(settings.kafka)) as source,
    ):
        worker = Worker(settings)
        record = Record(store, worker, settings.store.commit_s)
        Live(source, worker, record, settings, Status()).run(stop)
