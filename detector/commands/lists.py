"""``pushwake formats`` and ``settings``: what Pushwake knows, as lists."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

import msgspec
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
        if name == "settings":
            verb.add_argument(
                "--markdown", action="store_true", help="as docs/settings.md, a table a section"
            )


_SETTINGS_HEAD = """\
# Settings

Made by `pushwake settings --markdown`; do not edit. A setting is given in a TOML file (`--config`),
as a variable (`kafka.start` is `PUSHWAKE_KAFKA__START`) or on the command line
(`--set kafka.start=earliest`); the later of these wins. Unknown settings are errors.
"""


def formats(_: argparse.Namespace) -> int:
    """``pushwake formats``."""
    console = Console(highlight=False)
    for name, description, sample in FORMATS:
        console.print(f"[bold]{name}[/bold]  {description}")
        console.print(f"  {sample}\n", markup=False, soft_wrap=True, style="dim")
    return 0


def settings(options: argparse.Namespace) -> int:
    """``pushwake settings``."""
    if options.markdown:
        sys.stdout.write(markdown())
        return 0
    console = Console(highlight=False)
    for setting in describe():
        console.print(f"[bold]{setting.key}[/bold] = {setting.default!r}", soft_wrap=True)
        console.print(Padding(Text(f"{setting.help}\n"), (0, 2)))
    return 0


def markdown() -> str:
    """The page of all settings, a table a section, in the order of declaration."""
    lines = [_SETTINGS_HEAD]
    section = ""
    for setting in describe():
        head = setting.key.partition(".")[0]
        if head != section:
            section = head
            lines.append(f"\n## {head}\n\n| setting | default | meaning |\n|---|---|---|\n")
        default = f"`{_as_toml(setting.default)}`"
        lines.append(
            f"| `{setting.key}` | {default} | {setting.help.replace('|', chr(92) + '|')} |\n"
        )
    return "".join(lines)


def _as_toml(value: object) -> str:
    """A default as one writes it into a settings file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_as_toml(k)} = {_as_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return msgspec.json.encode(value).decode() if isinstance(value, str) else str(value)
