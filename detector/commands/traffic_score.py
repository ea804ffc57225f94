"""``pushwake traffic score``: open sealed faults, and say which of them were found, and when."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from detector.clock import monotonic_s
from detector.commands.parser import Verbs
from detector.errors import InputError
from detector.traffic.faults import Injected, SealError, unseal
from detector.traffic.server import Server
from detector.truth import SLACK, Document, Match, Score, Truth, score

LEAST = 5
"""A fault that asked fewer requests than this to fail did not really happen."""

MISSED = 10
WAIT_S = 180.0
LOOK_S = 1.0


def add(parts: Verbs) -> None:
    """Let ``pushwake traffic`` know ``score``."""
    verb = parts.add_parser(
        "score",
        help="open sealed faults, and say which were found",
        description="Compare sealed faults with the incidents of a running Pushwake, or of a file "
        "that replay wrote. A server is told what it missed, and makes an incident of it. Exit "
        "code 10: a fault was missed.",
    )
    verb.set_defaults(run=run)
    verb.add_argument("sealed", type=Path, metavar="PATH", help="what `send` sealed")
    where = verb.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", metavar="URL", help="a running Pushwake")
    where.add_argument("--incidents", type=Path, metavar="PATH", help="NDJSON of incidents")
    verb.add_argument("--token-file", type=Path, metavar="PATH", help=_SHOWN)
    verb.add_argument("--wait", type=float, default=WAIT_S, metavar="S", help=_WAIT)


_SHOWN = "the server's token; telling of a miss needs the scope `write`"
_WAIT = f"seconds that the server may take to judge the time of the last fault ({WAIT_S:.0f})"


def run(options: argparse.Namespace) -> int:
    """``pushwake traffic score``; 10 when a fault was missed."""
    faults = _open(options.sealed)
    happened = [fault for fault in faults if fault.requests >= LEAST]
    if not happened:
        raise InputError(
            "no fault happened yet", where=str(options.sealed), advice="Wait until `send` has ended"
        )
    server = Server(options.server, _token(options.token_file)) if options.server else None
    if server is not None:
        _await(server, max(_at(fault.end) for fault in happened) + SLACK, options)
        found = server.incidents(min(_at(fault.start) for fault in happened))
    else:
        found = _read(options.incidents)
    result = score(found, [_label(fault, found) for fault in happened])
    _tell(happened, result, len(faults) - len(happened))
    sys.stdout.write(msgspec.json.encode(result.as_dict()).decode() + "\n")
    pairs = zip(happened, result.matches, strict=True)
    missed = [fault for fault, match in pairs if not match.found]
    if server is not None:
        for fault in missed:
            sys.stderr.write(f"{fault.id}: incident {server.report(fault)}\n")
    return MISSED if missed else 0


def _open(path: Path) -> list[Injected]:
    try:
        return unseal(path)
    except (OSError, SealError) as error:
        raise InputError(
            str(error), where=str(path), advice="Name the file that `pushwake traffic send` sealed"
        ) from error


def _token(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text().strip()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=str(path), advice="Name the token's file"
        ) from error


def _await(server: Server, until: datetime, options: argparse.Namespace) -> None:
    """Wait for all before ``until`` to be judged: what is not judged is not missed."""
    end = monotonic_s() + options.wait
    while (judged := server.judged()) is None or judged < until:
        if monotonic_s() >= end:
            so_far = "nothing" if judged is None else f"all before {judged:%H:%M:%S}"
            raise InputError(
                f"the last fault may still be found: needed is all before {until:%H:%M:%S}, and "
                f"so far {so_far} has been judged",
                where=options.server,
                advice="See whether the worker runs and reads, and score again",
            )
        time.sleep(LOOK_S)


def _label(fault: Injected, found: Sequence[Document]) -> Truth:
    """A fault as a label; its service under the full names that the mesh gives it."""
    name = fault.service.rpartition(":")[0]
    known = {service for incident in found for service in incident["services"]}
    services = {one for one in known if one == name or one.startswith(f"{name}.")}
    return Truth(
        id=fault.id,
        start=_at(fault.start),
        end=_at(fault.end),
        services=sorted(services) or [name],
        cause="workload",
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _read(path: Path) -> list[Document]:
    try:
        lines = path.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines if line.strip()]
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(
            f"holds no incidents ({error})",
            where=str(path),
            advice="Name what `pushwake replay --out` wrote",
        ) from error


def _tell(faults: Sequence[Injected], result: Score, idle: int) -> None:
    table = Table("Fault", "On", "Asked to fail", "Found", "After", "Cause", box=None)
    for fault, match in zip(faults, result.matches, strict=True):
        share = f"{fault.requests:,} ({fault.share:.0%})"
        table.add_row(fault.kind, fault.service, share, *_found(match))
    console = Console(stderr=True, highlight=False)
    console.print(table)
    if idle:
        console.print(f"{idle} asked fewer than {LEAST} requests to fail and were left out.")
    if missed := sum(not match.found for match in result.wanted):
        console.print(f"{missed} of {len(result.wanted)} MISSED: an incident of Pushwake itself.")


def _found(match: Match) -> tuple[str, str, str]:
    if not match.found:
        return "MISSED", "-", "-"
    return (
        "yes",
        f"{match.delay_s:.0f} s",
        f"{match.cause}{'' if match.right else ' (was workload)'}",
    )
