"""``pushwake traffic score``: open sealed faults, and say which of them were found, and when."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from detector.commands.parser import Verbs
from detector.errors import InputError
from detector.traffic.faults import Injected, SealError, unseal
from detector.truth import Document, Match, Score, Truth, score

LEAST = 5
"""A fault that asked fewer requests than this to fail did not really happen."""

MISSED = 10
PAGE = 200


def add(parts: Verbs) -> None:
    """Let ``pushwake traffic`` know ``score``."""
    verb = parts.add_parser(
        "score",
        help="open sealed faults, and say which were found",
        description="Compare sealed faults with the incidents of a running Pushwake, or of a file "
        "that replay wrote. Exit code 10: a fault was missed.",
    )
    verb.set_defaults(run=run)
    verb.add_argument("sealed", type=Path, metavar="PATH", help="what `send` sealed")
    where = verb.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", metavar="URL", help="a running Pushwake")
    where.add_argument("--incidents", type=Path, metavar="PATH", help="NDJSON of incidents")
    verb.add_argument("--token-file", type=Path, metavar="PATH", help="the server's token")


def run(options: argparse.Namespace) -> int:
    """``pushwake traffic score``; 10 when a fault was missed."""
    faults = _open(options.sealed)
    happened = [fault for fault in faults if fault.requests >= LEAST]
    if not happened:
        raise InputError(
            "no fault happened yet", where=str(options.sealed), advice="Wait until `send` has ended"
        )
    since = min(fault.start for fault in happened)
    found = (
        _asked(options.server, options.token_file, since)
        if options.server
        else _read(options.incidents)
    )
    result = score(found, [_label(fault, found) for fault in happened])
    _tell(happened, result, len(faults) - len(happened))
    sys.stdout.write(msgspec.json.encode(result.as_dict()).decode() + "\n")
    return 0 if all(match.found for match in result.wanted) else MISSED


def _open(path: Path) -> list[Injected]:
    try:
        return unseal(path)
    except (OSError, SealError) as error:
        raise InputError(
            str(error), where=str(path), advice="Name the file that `pushwake traffic send` sealed"
        ) from error


def _label(fault: Injected, found: Sequence[Document]) -> Truth:
    """A fault as a label; its service under the full names that the mesh gives it."""
    name = fault.service.rpartition(":")[0]
    known = {service for incident in found for service in incident["services"]}
    services = {one for one in known if one == name or one.startswith(f"{name}.")}
    return Truth(
        id=fault.id,
        start=datetime.fromisoformat(fault.start),
        end=datetime.fromisoformat(fault.end),
        services=sorted(services) or [name],
        cause="workload",
    )


def _asked(server: str, token_file: Path | None, since: str) -> list[Document]:
    """All incidents of a server since then, whole."""
    try:
        headers = (
            {"authorization": f"Bearer {token_file.read_text().strip()}"} if token_file else {}
        )
        with httpx.Client(base_url=server, headers=headers, timeout=30) as client:
            ids = list(_ids(client, since))
            return [_got(client, f"/v1/incidents/{name}", {}) for name in ids]
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise InputError(
            f"cannot be asked ({error})", where=server, advice="Name a running `pushwake serve`"
        ) from error


def _ids(client: httpx.Client, since: str) -> Iterable[str]:
    asked: dict[str, str | int] = {"since": since, "page_size": PAGE}
    while True:
        page = _got(client, "/v1/incidents", asked)
        yield from (one["id"] for one in page["items"])
        if not (token := page.get("next_page_token")):
            return
        asked = {**asked, "page_token": token}


def _got(client: httpx.Client, path: str, asked: dict[str, str | int]) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(path, params=asked).raise_for_status().json()
    return answer


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
