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
from importlib.metadata import version

from detector.commands import (
    demo,
    explain,
    learn,
    lists,
    mark,
    notify,
    poll,
    proxies,
    replay,
    rollup,
    run,
    series,
    serve,
    signatures,
    token,
    traffic,
)
from detector.commands.parser import Parser
from detector.errors import PushwakeError
from detector.secrecy import veiled

_COMMANDS = (
    run, rollup, serve, notify, learn, replay, demo, explain, mark,
    poll, proxies, series, signatures, token, traffic, lists,
)  # fmt: skip

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
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pushwake",
        description="Finds the errors an Istio control plane leaves in its wake.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pushwake {version('pushwake')}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
