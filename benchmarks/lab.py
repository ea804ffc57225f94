"""Every scenario of the lab, replayed and scored, layout by layout: the table in docs/lab.md.

Run: ``python -m lab scenario all --mixed --layouts 1.23 json 1.1 1.2 1.3 1.8 1.9``, then
``python -m benchmarks.lab [FOLDER]``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from detector import documents
from detector.replaying import Inputs, replay
from detector.settings import Settings
from detector.truth import Match, Score, read_truth, score


def main(folder: Path) -> None:
    """Print the table."""
    print("| scenario | fault | found | cause | after | false incidents | layouts that differ |")
    print("|---|---|---|---|---|---|---|")
    for scenario in sorted(path for path in folder.iterdir() if path.is_dir()):
        scores = dict(scored(scenario))
        print(row(scenario.name, scores), flush=True)


def scored(scenario: Path) -> Iterator[tuple[str, Score]]:
    """The score of each layout that a scenario was written in; today's text first."""
    for path in sorted(scenario.glob("access.*"), reverse=True):
        inputs = Inputs(access=[str(path)], control=[str(scenario / "istiod.log")])
        worker = replay(inputs, Settings(), lambda _: None).worker
        found = [msgspec.to_builtins(documents.document(one)) for one in worker.incidents]
        layout = path.name.removeprefix("access.").removesuffix(".log")
        yield layout, score(found, read_truth(scenario / "truth.ndjson"))


def row(name: str, scores: dict[str, Score]) -> str:
    """One scenario's line of the table, and the layouts with which it comes out otherwise."""
    first = next(layout for layout in ("1.23", *scores) if layout in scores)
    told = _told(scores[first])
    other = {layout: _told(one) for layout, one in scores.items() if _told(one) != told}
    differ = "; ".join(f"{layout}: {text}" for layout, text in sorted(other.items()))
    return f"| {name} | {told} | {differ.replace(' | ', ', ') or 'none'} |"


def _told(result: Score) -> str:
    if not result.wanted:
        return f"none | - | - | - | {len(result.false)}"
    (match,) = result.wanted
    services = ", ".join(name.partition(".")[0] for name in match.truth.services)
    fault = f"{', '.join(match.truth.signals)} on {services}"
    return f"{fault} | {_found(match)} | {len(result.false)}"


def _found(match: Match) -> str:
    if not match.found:
        return "**missed** | - | -"
    cause = match.cause if match.right else f"**{match.cause}**, was {match.truth.cause}"
    return f"yes | {cause} | {match.delay_s:.0f} s"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "lab-out"))
