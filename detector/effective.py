"""The settings in force, as a file that would give them again; what is secret in them is hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from detector.secrecy import VEIL, veiled
from detector.settings import Settings, describe

_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^@\s]+@")  # of an address, with any character in it
_PARAMETER = re.compile(r"(?i)([?&;](?:password|passwd|token|secret|key)=)[^&;\s\"]+")
_WEBHOOK = re.compile(r"(https://hooks\.slack(?:-gov)?\.com/)[^\s\"]+")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def effective(settings: Settings) -> str:
    """All settings as TOML, in the order of declaration, but those that have no value.

    Passwords within addresses, and whatever else is known to be a secret, read ``***``.
    """
    lines: list[str] = []
    section = None
    for row in describe():
        head, _, name = row.key.partition(".")
        value = msgspec.to_builtins(getattr(settings, head))
        if not name:  # a table with names of the user's
            lines += [f"\n[{head}]", *(f"{_key(k)} = {_toml(v)}" for k, v in value.items())]
            continue
        if head != section:
            section = head
            lines.append(f"\n[{head}]")
        if value[name] is not None:  # TOML has no word for that
            lines.append(f"{name} = {_toml(value[name])}")
    return "\n".join(lines).lstrip() + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return msgspec.json.encode(_hidden(value)).decode().replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(k)} = {_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else msgspec.json.encode(name).decode()


def _hidden(text: str) -> str:
    text = _PASSWORD.sub(rf"\1{VEIL}@", text)
    text = _PARAMETER.sub(rf"\1{VEIL}", text)
    return veiled(_WEBHOOK.sub(rf"\1{VEIL}", text))
