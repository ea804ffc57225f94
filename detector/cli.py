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
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from detector import commands
from detector.configure import load
from detector.errors import PushwakeError
from detector.settings import Settings

_EXAMPLES = """\
examples:
  pushwake demo                                    see it work on a real recording
  pushwake replay --access-log 'logs/*.gz' --control-plane istiod.log --report report.html
  kubectl logs -n shop deploy/cart -c istio-proxy | pushwake replay --access-log -
  pushwake explain '[2026-11-23T05:39:48.123Z] "GET / HTTP/1.1" 503 NC ...'
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong and where help is, without printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code, as the module says.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except PushwakeError as error:
        sys.stderr.write(f"pushwake: {error}\n")
        return error.exit_code
    except BrokenPipeError:  # the reader of our output went away, which is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("pushwake: interrupted\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pushwake",
        description="Finds the errors an Istio control plane leaves in its wake.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pushwake {version('pushwake')}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_replay(verbs)
    _add_demo(verbs)
    _add_explain(verbs)
    for name, help_text, run in (
        (
            "formats",
            "list the log formats that are recognised, with an example each",
            commands.formats,
        ),
        ("signatures", "list the known faults", commands.signatures),
        ("settings", "list all settings with their defaults", commands.settings),
    ):
        verb = verbs.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
        verb.set_defaults(run=run)
    return parser


if TYPE_CHECKING:
    _Verbs = argparse._SubParsersAction[_Parser]


def _add_replay(verbs: _Verbs) -> None:
    verb = verbs.add_parser(
        "replay",
        help="read log files and say what happened",
        description="Read access logs (or rollups) and control-plane logs; write incidents.",
    )
    verb.set_defaults(run=lambda options: commands.replay(options, _settings(options)))
    what = verb.add_argument_group("input: files, globs, or - for standard input; plain, .gz, .zst")
    _add_paths(what, "--access-log", "istio-proxy output, any known format")
    _add_paths(what, "--rollups", "counts as Parquet, CSV or NDJSON")
    _add_paths(what, "--control-plane", "istiod logs, or control-plane events as NDJSON")
    what.add_argument("--truth", type=Path, metavar="PATH", help="labelled incidents to score by")
    out = verb.add_argument_group("output")
    out.add_argument("--out", type=Path, metavar="PATH", help="incidents as NDJSON; - for stdout")
    out.add_argument("--report", type=Path, metavar="PATH", help="a self-contained HTML page")
    out.add_argument("--store", metavar="URL", help="also keep incidents in this store")
    out.add_argument("--quiet", action="store_true", help="no table, no progress")
    out.add_argument(
        "--fail-on-incident", action="store_true", help="exit with 10 when incidents were found"
    )
    _add_settings(verb)


def _add_paths(group: argparse._ArgumentGroup, flag: str, help_text: str) -> None:
    group.add_argument(flag, nargs="+", action="extend", default=[], metavar="PATH", help=help_text)


def _add_demo(verbs: _Verbs) -> None:
    verb = verbs.add_parser(
        "demo",
        help="replay a recording of real Envoy proxies during an istiod upgrade",
        description="Replay a recording that ships with Pushwake: eleven real Envoy proxies while "
        "istiod is upgraded in place. Writes a report.",
    )
    verb.set_defaults(run=lambda options: commands.demo(options, _settings(options)))
    verb.add_argument(
        "--report",
        type=Path,
        default=Path("pushwake-demo.html"),
        metavar="PATH",
        help="where to write the report (default: %(default)s)",
    )
    verb.add_argument("--serve", action="store_true", help="open the report in a browser")
    _add_settings(verb)


def _add_explain(verbs: _Verbs) -> None:
    verb = verbs.add_parser(
        "explain",
        help="show how a log line is understood, field by field, or why not",
        description="Show how a log line is understood. Without LINE, reads standard input.",
    )
    verb.set_defaults(run=lambda options: commands.explain(options, _settings(options)))
    verb.add_argument("line", nargs="?", metavar="LINE", help="the line, quoted for the shell")
    verb.add_argument(
        "--json", action="store_true", help="one JSON object a line, in the order of the input"
    )
    verb.add_argument(
        "--kind",
        choices=["auto", "access", "control-plane"],
        default="auto",
        help="what the stream is said to hold (default: %(default)s)",
    )
    _add_settings(verb)


def _add_settings(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("settings")
    group.add_argument("--config", type=Path, metavar="PATH", help="a TOML file of settings")
    group.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting"
    )
    group.add_argument(
        "--format", action="append", default=[], metavar="FORMAT", help="the mesh's accessLogFormat"
    )


def _settings(options: argparse.Namespace) -> Settings:
    named = [f"formats.flag{n}={text}" for n, text in enumerate(options.format, start=1)]
    return load(options.config, os.environ, [*options.set, *named])


if __name__ == "__main__":
    sys.exit(main())
