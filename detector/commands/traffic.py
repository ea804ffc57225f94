"""``pushwake traffic``: varied traffic for a qualification cluster, and sealed faults in it."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from detector.clock import monotonic_s
from detector.commands import traffic_score
from detector.commands.parser import Verbs
from detector.errors import InputError
from detector.traffic import wire
from detector.traffic.client import Target
from detector.traffic.drive import Driver
from detector.traffic.echo import Echo
from detector.traffic.faults import Injected, let_happen, plan, seal
from detector.traffic.mix import WEIGHTS, Mix, Route

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TELL_S = 10.0
_WITHOUT_GRPC = {name: weight for name, weight in WEIGHTS.items() if name != "grpc"}


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake traffic``."""
    verb = verbs.add_parser(
        "traffic",
        help="send varied traffic through a mesh under test, with sealed faults if wanted",
        description="Requests of many kinds through a qualification mesh, to echo applications "
        "that answer what they are asked. With --faults some are asked to fail, at times that are "
        "sealed in a file; `score` opens it and says what Pushwake found.",
    )
    parts = verb.add_subparsers(metavar="COMMAND", required=True)
    _add_echo(parts)
    _add_send(parts)
    traffic_score.add(parts)


def _add_echo(parts: Verbs) -> None:
    text = "the application that answers what a request asks"
    echoing = parts.add_parser("echo", help=text, description=text.capitalize() + ".")
    echoing.set_defaults(run=echo)
    echoing.add_argument("--listen", default="0.0.0.0:9080", metavar="HOST:PORT")  # in a pod
    echoing.add_argument("--tcp", metavar="HOST:PORT", help="send bytes back here, too")


def _add_send(parts: Verbs) -> None:
    text = "send a mix of requests at a rate"
    sending = parts.add_parser("send", help=text, description=text.capitalize() + ".")
    sending.set_defaults(run=send)
    add = sending.add_argument
    add("target", nargs="+", metavar="URL", help="the mesh's gateways: http://HOST:PORT[/PATH]")
    add("--host", metavar="NAME", help="the Host that requests name; else the address")
    add("--call", action="append", default=[], metavar="A:PORT>B:PORT", help=_CALL)
    add("--tcp", metavar="HOST:PORT", help="a TCP echo that the first application may call")
    add("--rate", type=_positive, default=20.0, metavar="N", help="requests a second (20)")
    add("--duration", type=_positive, default=3600.0, metavar="S", help="seconds (3600)")
    add("--mix", type=_weights, default=_WITHOUT_GRPC, metavar="KIND=N,...", help=_MIX)
    add("--seed", type=int, metavar="N", help="the same seed sends the same requests")
    add("--faults", type=int, default=0, metavar="N", help="deliberate faults, sealed")
    add("--quiet", type=_positive, default=600.0, metavar="S", help=_QUIET)
    add("--sealed", type=Path, default=Path("faults.sealed"), metavar="PATH", help=_SEALED)


_CALL = "echo applications that requests call on their way, as often as wanted; faults hit these"
_MIX = f"weights of kinds; by default a shop's. Kinds: {', '.join(_WITHOUT_GRPC)}"
_QUIET = "seconds before the first fault, for Pushwake to learn (600)"
_SEALED = "where faults are sealed (faults.sealed)"


def echo(options: argparse.Namespace) -> int:
    """``pushwake traffic echo``; serves until it is ended."""

    async def serve() -> None:
        application = Echo()
        listening = [await _listen(application.serve, options.listen)]
        if options.tcp:
            listening.append(await _listen(application.serve_tcp, options.tcp))
        for one in listening:
            host, port = one.sockets[0].getsockname()[:2]
            sys.stdout.write(f"listens on {host}:{port}\n")
        sys.stdout.flush()
        await asyncio.gather(*(one.serve_forever() for one in listening))

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
    return 0


async def _listen(serve: Serve, address: str) -> asyncio.Server:
    host, port = _address(address, "--listen")
    try:
        return await asyncio.start_server(serve, host, port, limit=wire.LIMIT)
    except OSError as error:
        raise InputError(
            f"cannot listen ({error.strerror or error})",
            where=address,
            advice="Free the port, or name another",
        ) from error


def send(options: argparse.Namespace) -> int:
    """``pushwake traffic send``; 3 when not one request was answered."""
    routes = [Route.read(text) for text in options.call]
    services = sorted({hop for route in routes for hop in route.hops})
    for service in services:
        _address(service, "--call")
    seed = secrets.randbits(32) if options.seed is None else options.seed
    mix = Mix(options.mix, routes, options.tcp, seed)
    planned = []
    if options.faults:
        try:
            wanted = (options.faults, services, options.duration, options.quiet)
            planned = plan(*wanted, seed=secrets.randbits(64))
        except (ValueError, IndexError) as error:
            raise InputError(
                str(error) if services else "nobody to fail",
                where="--faults",
                advice="Raise --duration or lower --quiet" if services else "Name echoes by --call",
            ) from error
        _seal([], options.sealed)
    driver = Driver(mix, [_target(url, options.host) for url in options.target])
    driver.rate = options.rate

    def keep(happened: list[Injected]) -> None:
        _seal(happened, options.sealed)

    async def run() -> None:
        beside = [asyncio.create_task(_tell(driver, options.duration))]
        if planned:
            beside.append(asyncio.create_task(let_happen(planned, mix, keep)))
        try:
            await driver.run(options.duration)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    with suppress(KeyboardInterrupt):
        asyncio.run(run())
    counts = {"sent": _by_status(driver.sent), "kinds": dict(sorted(driver.sent.items()))}
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0 if any(not name.endswith("/0") for name in driver.sent) else 3


def _seal(happened: list[Injected], path: Path) -> None:
    try:
        seal(happened, path)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})", where=str(path), advice="Choose another path"
        ) from error


async def _tell(driver: Driver, duration_s: float) -> None:
    begin = monotonic_s()
    while True:
        await asyncio.sleep(TELL_S)
        passed, statuses = monotonic_s() - begin, _by_status(driver.sent)
        told = ", ".join(f"{count:,} {name}" for name, count in statuses.items())
        sys.stderr.write(f"{passed:,.0f} of {duration_s:,.0f} s: {told}\n")


def _by_status(sent: Counter[str]) -> dict[str, int]:
    statuses: Counter[str] = Counter()
    for name, count in sent.items():
        status = name.rpartition("/")[2]
        statuses["unanswered" if status == "0" else status] += count
    return dict(sorted(statuses.items()))


def _target(url: str, host: str | None) -> Target:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise InputError("no such target", where=url, advice="Name http://HOST:PORT[/PATH]")
    address = f"{parts.hostname}:{parts.port or 80}"
    return Target(address, host or parts.netloc, parts.path.rstrip("/"))


def _address(text: str, where: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError(f"{text!r} is no address", where=where, advice="Name HOST:PORT")
    return host, int(port)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: a positive number is wanted")
    return value


def _weights(text: str) -> dict[str, float]:
    weights = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        if name.strip() not in _WITHOUT_GRPC:
            known = ", ".join(_WITHOUT_GRPC)
            raise argparse.ArgumentTypeError(f"no kind {name.strip()!r}; there are {known}")
        weights[name.strip()] = float(weight or 1)
    return weights
