"""Deliberate faults nobody is told of beforehand: drawn, let happen, counted, and sealed.

An echo application does what a request asks of it, so a fault is a share of the requests for one
service that ask for something else. When which service is hit is drawn by a seed that is kept
secret until the file is opened.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from detector.clock import monotonic_s, now
from detector.traffic.asks import Ask
from detector.traffic.mix import Fault, Mix

KINDS: dict[str, Ask] = {
    "reset": Ask(fault="reset"),
    "error": Ask(status=500, size=40),
    "unavailable": Ask(status=503, size=40),
    "te204": Ask(status=204, fault="te204"),
    "garbage": Ask(fault="garbage"),
}
"""Ways of failing that a sidecar tells apart."""

SIGNALS = {"reset": "UC", "error": "500", "unavailable": "503", "te204": "UPE", "garbage": "UPE"}
"""The response flag, or the application's own code, by which a sidecar tells each."""

SHARES = (0.1, 0.3, 1.0)
LASTS_S = (15.0, 90.0)
APART_S = 120.0
"""Seconds between two faults at least, so that each is an incident of its own."""


class SealError(Exception):
    """The file holds no sealed faults, or was changed."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come."""

    service: str  # host:port, as in a route
    kind: str
    share: float
    start_s: float  # from the beginning
    lasts_s: float


@dataclass(slots=True)
class Injected:
    """A fault that happened. ``requests`` were asked to fail."""

    id: str
    service: str
    kind: str
    share: float
    start: str
    end: str
    requests: int


def plan(
    count: int, services: Sequence[str], duration_s: float, quiet_s: float, seed: int
) -> list[Planned]:
    """Draw faults: none in the first ``quiet_s``, each in a stretch of its own.

    Raises:
        ValueError: there is no room for so many.
    """
    rng = random.Random(seed)
    stretch = (duration_s - quiet_s) / count
    if stretch < APART_S + LASTS_S[0]:
        needed = quiet_s + count * (APART_S + LASTS_S[0])
        raise ValueError(f"{count} faults need {needed:g} s at least, {quiet_s:g} of them quiet")
    planned = []
    for number in range(count):
        lasts = rng.uniform(LASTS_S[0], min(LASTS_S[1], stretch - APART_S))
        start = quiet_s + number * stretch + rng.uniform(0, stretch - APART_S - lasts)
        kind, share = rng.choice(sorted(KINDS)), rng.choice(SHARES)
        planned.append(Planned(rng.choice(sorted(services)), kind, share, start, lasts))
    return planned


async def let_happen(
    planned: Sequence[Planned], mix: Mix, keep: Callable[[list[Injected]], None]
) -> None:
    """Let faults happen in their time; ``keep`` is given all so far after each, even a cut one."""
    begin = monotonic_s()
    happened: list[Injected] = []
    for number, one in enumerate(planned, start=1):
        await asyncio.sleep(max(0.0, begin + one.start_s - monotonic_s()))
        fault = Fault(one.service, KINDS[one.kind], one.share)
        before, start = mix.struck[one.service], now()
        mix.faults.append(fault)
        try:
            await asyncio.sleep(one.lasts_s)
        finally:
            mix.faults.remove(fault)
            hit = mix.struck[one.service] - before
            happened.append(_injected(number, one, start, hit))
            keep(happened)


def _injected(number: int, one: Planned, start: datetime, hit: int) -> Injected:
    end = now().isoformat()
    name = f"{number}-{one.kind}"
    return Injected(name, one.service, one.kind, one.share, start.isoformat(), end, hit)


def seal(faults: Sequence[Injected], path: Path) -> None:
    """Write faults so that nobody reads them by chance, and a change shows."""
    raw = json.dumps([asdict(fault) for fault in faults]).encode()
    sealed = {
        "pushwake": "sealed faults; `pushwake traffic score` opens them",
        "count": len(faults),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "faults": base64.b64encode(zlib.compress(raw)).decode(),
    }
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(sealed, indent=1) + "\n")
    partial.replace(path)


def unseal(path: Path) -> list[Injected]:
    """The faults of a sealed file.

    Raises:
        SealError: it holds none, or was changed.
        OSError: it cannot be read.
    """
    try:
        sealed = json.loads(path.read_text())
        raw = zlib.decompress(base64.b64decode(sealed["faults"], validate=True))
        if hashlib.sha256(raw).hexdigest() != sealed["sha256"]:
            raise SealError("the faults do not fit their checksum")
        return [Injected(**fault) for fault in json.loads(raw)]
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise SealError(f"no sealed faults ({error})") from error
