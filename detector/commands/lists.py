"""``pushwake formats`` and ``settings``: what Pushwake knows, as lists."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from detector.commands.parser import Verbs
from detector.settings import describe
from pipelines.formats.catalogue import FORMATS


def add(verbs: Verbs) -> None:
    """Let the command line know the lists."""
    for name, help_text, run in (
        ("formats", "list the log formats that are recognised, with an example each", formats),
        ("settings", "list all settings with their defaults", settings),
    ):
        verb = verbs.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
        verb.set_defaults(run=run)


def formats(_: argparse.Namespace) -> int:
    """``pushwake formats``."""
    console = Console(highlight=False)
    for name, description, sample in FORMATS:
        console.print(f"[bold]{name}[/bold]  {description}")
        console.print(f"  {sample}\n", markup=False, soft_wrap=True, style="dim")
    return 0


def settings(_: argparse.Namespace) -> int:
    """``pushwake settings``."""
    console = Console(highlight=False)
    for setting in describe():
        console.print(f"[bold]{setting.key}[/bold] = {setting.default!r}", soft_wrap=True)
        console.print(Padding(Text(f"{setting.help}\n"), (0, 2)))
    return 0
