"""Every recording of real proxies, replayed and scored: the table in the README.

Run: ``python -m benchmarks.recordings``. Detection time is event time from the fault's start (its
first changed proxy) to the end of the bucket in which the incident was first raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from detector import documents
from detector.replaying import Inputs, replay
from detector.settings import Settings
from detector.truth import Match, read_truth, score
from detector.types import Incident

RECORDINGS = Path(__file__).parent.parent / "tests" / "data" / "recordings"


def main() -> None:
    """Print the table."""
    print("| recording | fault | found | cause | after | false incidents |")
    print("|---|---|---|---|---|---|")
    for folder in sorted(path for path in RECORDINGS.iterdir() if path.is_dir()):
        inputs = Inputs(
            access=[str(folder / "access.log.zst")], control=[str(folder / "istiod.log.zst")]
        )
        worker = replay(inputs, Settings(), lambda _: None).worker
        print(row(folder, worker.incidents))


def row(folder: Path, incidents: Iterable[Incident]) -> str:
    """One recording's line of the table."""
    found = [msgspec.to_builtins(documents.document(one)) for one in incidents]
    result = score(found, read_truth(folder / "truth.ndjson"))
    if not result.wanted:
        return f"| {folder.name} | none | - | - | - | {len(result.false)} |"
    (match,) = result.wanted
    return f"| {folder.name} | {_fault(match)} | {_found(match)} | {len(result.false)} |"


def _fault(match: Match) -> str:
    services = ", ".join(name.partition(".")[0] for name in match.truth.services)
    return f"{', '.join(match.truth.signals)} on {services}"


def _found(match: Match) -> str:
    if not match.found:
        return "**missed** | - | -"
    cause = match.cause if match.right else f"**{match.cause}**, was {match.truth.cause}"
    return f"yes | {cause} | {match.delay_s:.0f} s"


if __name__ == "__main__":
    main()
