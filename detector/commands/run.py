"""``pushwake run``: the deployed worker."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from contextlib import closing
from functools import partial
from threading import Event

from detector import clock, logs
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.configure import digest
from detector.errors import InputError, PushwakeError
from detector.live import Live, Metrics, Status, alive, ready
from detector.live.kafka import source_of
from detector.probes import Probes
from detector.record import Record
from detector.settings import Settings
from detector.store import Store
from detector.worker import Worker
from pipelines.source import SourceError

log = logging.getLogger("pushwake.run")


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
    logs.start(sys.stderr, settings.run.log_format)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        _work(settings, stop)
    except SourceError as error:
        told = InputError(error.what, where=error.where, advice=error.advice)
        return _failed(told)
    except PushwakeError as error:
        return _failed(error)
    except Exception:
        log.critical("a defect of Pushwake; it can be started again", exc_info=True)
        return 1
    return 0


def _failed(error: PushwakeError) -> int:
    log.critical(str(error), extra={"fields": {"exit_code": error.exit_code}})
    return error.exit_code


def _work(settings: Settings, stop: Event) -> None:
    status = Status()
    metrics = Metrics(status, clock.now, digest(settings))
    with (
        Probes(
            settings.run.host,
            settings.run.port,
            metrics.registry,
            alive=partial(alive, status),
            ready=partial(ready, status, settings.run.ready_behind_s),
        ) as probes,
        Store.open(settings.store.url, settings=settings.store) as store,
        closing(source_of(settings.kafka)) as source,
    ):
        log.info("probes and metrics", extra={"fields": {"port": probes.port}})
        worker = Worker(settings)
        record = Record(store, worker, settings.store.commit_s)
        Live(source, worker, record, settings, status=status, metrics=metrics).run(stop)
