"""``pushwake run``: the deployed worker."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack, closing
from functools import partial
from threading import Event

from detector import clock
from detector.checking import check
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.service import serve
from detector.configure import digest
from detector.effective import effective
from detector.live import Live, Metrics, Status, alive, ready
from detector.live.kafka import dead_letters_of, source_of
from detector.live.standby import open_store
from detector.probes import Probes
from detector.record import Record
from detector.secrecy import veiled
from detector.settings import Settings
from detector.worker import Worker

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
    only = verb.add_mutually_exclusive_group()
    only.add_argument(
        "--check",
        action="store_true",
        help="only tell whether settings, brokers, topics and store are as a worker needs them",
    )
    only.add_argument(
        "--print-effective",
        action="store_true",
        help="only print the settings in force, from file, environment and flags; secrets hidden",
    )
    add_settings(verb)


def run(options: argparse.Namespace) -> int:
    """``pushwake run``."""
    settings = settings_of(options)
    if options.print_effective:
        sys.stdout.write(effective(settings))
        return 0
    if options.check:
        return _check(settings)
    return serve(settings, _work, log)


def _check(settings: Settings) -> int:
    """Tell each finding on a line of its own; the exit code of the first that is an error."""
    code = 0
    for name, text, error in check(settings):
        sign = "ok  " if error is None else "FAIL"
        sys.stdout.write(veiled(f"{sign}  {name:<10}{text}\n"))
        sys.stdout.flush()
        code = code or (0 if error is None else error.exit_code)
    return code


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
        ExitStack() as stack,
    ):
        log.info("probes and metrics", extra={"fields": {"port": probes.port}})
        store = open_store(settings, status, stop)
        if store is None:
            return
        stack.enter_context(store)
        source = stack.enter_context(closing(source_of(settings)))
        letters = dead_letters_of(settings.kafka)
        if letters is not None:
            stack.enter_context(closing(letters))
        worker = Worker(settings)
        record = Record(store, worker, settings.store.commit_s)
        live = Live(
            source, worker, record, settings, status=status, metrics=metrics, letters=letters
        )
        live.run(stop)
