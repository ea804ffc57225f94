"""``pushwake rollup``: reads a share of the access logs for the worker that judges."""

from __future__ import annotations

import argparse
import logging
from contextlib import ExitStack, closing
from functools import partial
from threading import Event

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.service import serve
from detector.live.kafka import dead_letters_of, relay_of
from detector.live.rolling import Rolling, Share
from detector.live.share_metrics import answer, registry_of
from detector.probes import Probes
from detector.settings import Settings

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
    return serve(settings, _work, log)


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
