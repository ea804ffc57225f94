"""What all commands share: the parser, and how settings are named."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn, Protocol

from detector.configure import load
from detector.settings import Settings


class Parser(argparse.ArgumentParser):
    """Says what is wrong and where help is, without printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


class Verbs(Protocol):
    """Where a command adds its parser: what argparse's ``add_subparsers`` returns."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """The parser of a new command."""
        ...


def add_settings(verb: argparse.ArgumentParser) -> None:
    """Let a command take a settings file, single settings and formats."""
    group = verb.add_argument_group("settings")
    group.add_argument("--config", type=Path, metavar="PATH", help="a TOML file of settings")
    group.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting"
    )
    group.add_argument(
        "--format", action="append", default=[], metavar="FORMAT", help="the mesh's accessLogFormat"
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that a command was given, over those of the environment.

    Raises:
        SettingsError: naming the file, variable or flag at fault.
    """
    named = [f"formats.flag{n}={text}" for n, text in enumerate(options.format, start=1)]
    return load(options.config, os.environ, [*options.set, *named])
