"""``pushwake learn``: baselines from the past."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
from rich.console import Console

from detector import clock
from detector.commands.parser import Verbs, add_settings, settings_of
from detector.commands.progress import progress
from detector.errors import InputError, SettingsError
from detector.learning import learn as run_learn
from detector.learning.prometheus import counts
from detector.report import phrases
from detector.settings import Settings
from detector.store import Store
from pipelines.rollup_files import RollupFiles

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake learn``."""
    verb = verbs.add_parser(
        "learn",
        help="learn what is normal from rollups or from a Prometheus",
        description="Build baselines from the past into the store, so that 'pushwake run' and "
        "'pushwake replay --store' judge from their first minute. Nothing of that past becomes an "
        "incident. The store must have no other user meanwhile.",
    )
    verb.set_defaults(run=learn)
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--rollups", nargs="+", metavar="PATH", help="counts as Parquet, CSV or NDJSON"
    )
    source.add_argument(
        "--prometheus", metavar="URL", help="a Prometheus that has istio_requests_total"
    )
    verb.add_argument(
        "--since", default=None, metavar="AGE", help="how far back, as 7d or 12h; default: 7d of "
        "Prometheus, all of the rollups"
    )  # fmt: skip
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    verb.add_argument(
        "--replace", action="store_true", help="give up the baselines that the store has"
    )
    verb.add_argument("--quiet", action="store_true", help="no progress, no summary")
    add_settings(verb)


def learn(options: argparse.Namespace) -> int:
    """``pushwake learn``."""
    settings = settings_of(options)
    if options.store:
        store = msgspec.structs.replace(settings.store, url=options.store)
        settings = msgspec.structs.replace(settings, store=store)
    console = Console(highlight=False, quiet=options.quiet)
    age = _age(options.since)
    now = clock.now()
    since = _ALWAYS if age is None else now - age
    with Store.open(settings.store.url, settings=settings.store) as held:
        if options.prometheus:
            since = now - (age or timedelta(days=7))
            frames = counts(
                options.prometheus, since, now, settings.istiod, settings.detection.bucket_s
            )
            told = run_learn(frames, settings, held, since=since, replace=options.replace)
        else:
            frames = _files(options.rollups, settings, quiet=options.quiet)
            told = run_learn(frames, settings, held, since=since, replace=options.replace)
    known = phrases.duration(told.last - told.first)
    console.print(
        f"Learnt {told.series:,} series of {told.edges:,} edges from {told.requests:,} requests in "
        f"{known}, {told.first:%Y-%m-%d %H:%M} to {told.last:%Y-%m-%d %H:%M} UTC.\n"
        "What comes later is judged at once; what is older will be passed over.",
        soft_wrap=True,
    )
    return 0


def _files(paths: list[str], settings: Settings, *, quiet: bool) -> Iterator[pl.DataFrame]:
    files, rows = RollupFiles(paths, bucket_s=settings.detection.bucket_s), 0
    with progress(quiet=quiet) as on_progress:
        for frame in files:
            rows += frame.height
            yield frame
            on_progress(files.progress())
    problems = [*files.problems, *files.samples]
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(f"pushwake: {problem}", markup=False)
    if problems and not rows:
        raise InputError(
            "nothing could be read",
            where=", ".join(paths),
            advice="; ".join(str(problem) for problem in problems[:5]),
        )


def _age(text: str | None) -> timedelta | None:
    """A length of time such as ``90m``, ``12h``, ``7d``, ``2w``.

    >>> _age("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if not found or not int(found[1]):
        raise SettingsError(
            f"{text!r} is no length of time", where="--since", advice="Write 90m, 12h, 7d or 2w"
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
