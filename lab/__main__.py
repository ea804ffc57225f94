"""``python -m lab up | scenario NAME | story | list | down``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab import console
from lab.formats import LAYOUTS
from lab.parts import PartMissingError
from lab.process import LabError
from lab.scenarios import QUIET_S, SCENARIOS
from lab.truth import NoEffectError


def main() -> int:
    """Run one command."""
    options = parser().parse_args()
    try:
        return int(options.run(options))
    except (LabError, NoEffectError, PartMissingError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__import__("lab").__doc__)
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    up = verbs.add_parser("up", help="start a mesh with traffic; it runs until `down`")
    up.set_defaults(run=console.up)
    up.add_argument("--foreground", action="store_true", help="stay, and stop at Ctrl-C")
    down = verbs.add_parser("down", help="stop the mesh that `up` started")
    down.set_defaults(run=console.down)
    run = verbs.add_parser("scenario", help="let something happen, and keep logs and truth")
    run.set_defaults(run=console.scenario)
    run.add_argument("names", nargs="+", metavar="NAME", choices=[*SCENARIOS, "all"])
    run.add_argument("--out", type=Path, default=Path("lab-out"), help="a folder for each scenario")
    run.add_argument("--quiet", type=float, default=QUIET_S, help="seconds before it, to learn")
    watched = verbs.add_parser("story", help="let one thing happen after the other, for good")
    watched.set_defaults(run=console.story)
    named = verbs.add_parser("list", help="what can happen")
    named.set_defaults(run=console.show)
    for verb in (up, run, watched):
        verb.add_argument("--layouts", nargs="+", default=["1.23", "json"], choices=LAYOUTS)
        verb.add_argument("--istio", default="1.31.2", help="version whose words istiod's log uses")
        verb.add_argument("--istiod-json", action="store_true", help="istiod logs JSON")
        verb.add_argument("--mixed", action="store_true", help="two Envoy versions side by side")
        verb.add_argument("--rate", type=float, default=40.0, help="requests a second")
        verb.add_argument("--seed", type=int, default=1)
        verb.add_argument("--kafka", metavar="HOST:PORT", help="ship to this broker, too")
        verb.add_argument("--topics", nargs=2, default=["istio-proxy", "istiod"])
    return top


if __name__ == "__main__":
    sys.exit(main())
