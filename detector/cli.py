"""The `pushwake` command: arguments in, exit code out.

Exit codes: 0 all was read; 1 a defect of ours; 2 wrong usage or settings; 3 nothing could be
read; 4 the store cannot be used; 5 some input could not be read, the rest was; 10 incidents were
found and ``--fail-on-incident`` was given.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from detector.commands.parser import Parser
from detector.errors import PushwakeError
from detector.secrecy import veiled

_MODULES = {
    name: name
    for name in (
        "run", "rollup", "serve", "notify", "learn", "replay", "demo", "explain", "mark",
        "poll", "proxies", "series", "signatures", "token", "traffic",
    )
} | {"formats": "lists", "settings": "lists"}  # fmt: skip
"""Where each command is in `detector.commands`; only what is asked for is imported, since all of it
takes seconds."""

_EXAMPLES = """\
examples:
  pushwake demo                                    see it work on a real recording
  pushwake replay --access-log 'logs/*.gz' --control-plane istiod.log --report report.html
  kubectl logs -n shop deploy/cart -c istio-proxy | pushwake replay --access-log -
  pushwake explain '[2026-11-23T05:39:48.123Z] "GET / HTTP/1.1" 503 NC ...'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code, as the module says.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given).parse_args(given)
    try:
        return int(options.run(options))
    except PushwakeError as error:
        sys.stderr.write(f"pushwake: {veiled(str(error))}\n")
        return error.exit_code
    except BrokenPipeError:  # the reader of our output went away, which is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("pushwake: interrupted\n")
        return 130


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(
        prog="pushwake",
        description="Finds the errors an Istio control plane leaves in its wake.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pushwake {version('pushwake')}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = [_MODULES[given[0]]] if given and given[0] in _MODULES else _MODULES.values()
    for module in dict.fromkeys(wanted):
        import_module(f"detector.commands.{module}").add(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
