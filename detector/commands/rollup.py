"""``pushwake rollup``: reads a share of the access logs for the worker that judges."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from contextlib import ExitStack, closing
from functools import partial
from threading import Event

from detector import logs
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import InputError, PushwakeError
from detector.live.kafka import dead_letters_of, relay_of
from detector.live.rolling import Rolling, Share
from detector.live.share_metrics import answer, registry_of
from detector.probes import Probes
from detector.settings import Settings
from pipelines.source import SourceError

log = logging.getLogger("pushwake.rollup")


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake rollup``."""
    verb = verbs.add_parser(
        "rollup",
        help="read a share of the access logs and send counts to the worker that judges",
        description="For meshes whose logs one process cannot read: any number of these share the "
        "topics of access logs as a consumer group and write counts to topics that pushwake run "
        "reads instead (rollup.on = true, for all of them). Killed at any moment, none loses or "
        "doubles a count.",
    )
    verb.set_defaults(run=run)
    add_settings(verb)


def run(options: argparse.Namespace) -> int:
    """``pushwake rollup``."""
    settings = settings_of(options)
    logs.start(sys.stderr, settings.run.log_format)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        _work(settings, stop)
    except SourceError as error:
        return _failed(InputError(error.what, where=error.where, advice=error.advice))
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
    share = Share()
    with (
        Probes(
            settings.rollup.host,
            settings.rollup.port,
            registry_of(share),
            alive=partial(answer, share),
            ready=partial(answer, share),
        ) as probes,
        ExitStack() as stack,
    ):
        log.info("probes and metrics", extra={"fields": {"port": probes.port}})
        relay = stack.enter_context(closing(relay_of(settings)))
        letters = dead_letters_of(settings.kafka)
        if letters is not None:
            stack.enter_context(closing(letters))
        Rolling(relay, settings, share, letters).run(stop)
