"""Secrets of channels: read from a file or the environment, never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from detector.errors import SettingsError
from detector.secrecy import keep_secret

MASK = "***"
_SHORT = 6  # a part of an address below this length is no secret worth masking


class Secret:
    """A text that shows itself only where it is asked for by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the one call that needs it."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a secret is not written down")


def read(*, file: str, variable: str, where: str) -> Secret | None:
    """The secret in ``file`` or ``variable``, without white space around it; None without either.

    Read anew on every call, so that a rotated secret is found.

    Raises:
        SettingsError: the file cannot be read or the variable is not set, or it is empty.
    """
    if not file and not variable:
        return None
    source = file or f"environment variable {variable}"
    try:
        text = Path(file).read_text("utf-8") if file else os.environ[variable]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise SettingsError(
            f"the secret in {source} cannot be read ({what})",
            where=where,
            advice="Name a readable file, or an environment variable that is set",
        ) from None
    if not text.strip():
        raise SettingsError(
            f"the secret in {source} is empty", where=where, advice="Write the secret into it"
        )
    secret = Secret(text.strip())
    for part in _parts(secret.reveal()):
        keep_secret(part)
    return secret


def scrub(text: str, secrets: Iterable[Secret | None]) -> str:
    """``text`` without any of the secrets, nor the telling parts of those that are addresses."""
    for secret in secrets:
        for part in sorted(_parts(secret.reveal()) if secret else (), key=len, reverse=True):
            text = text.replace(part, MASK)
    return text


def _parts(text: str) -> set[str]:
    address = urlsplit(text) if "://" in text else None
    found = {text, quote(text, safe="")}
    if address is not None:
        found |= {address.path, address.query, address.password or ""}
        parts = address.path.split("/")
        found |= {part for part in parts if not (part.isalpha() and part.islower())}
    return {part for part in found if len(part) >= _SHORT}
