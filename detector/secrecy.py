"""Secrets that this process knows, so that nothing it says holds one.

Secrets are kept apart by construction: they come from files or the environment, and stand in no
settings, representation or message of ours. What other libraries put into their messages is not
ours to choose, so all that leaves the process passes `veiled`.
"""

from __future__ import annotations

from urllib.parse import quote

VEIL = "***"
SHORTEST = 4
"""Shorter ones are no secrets, and hiding them would garble every other word."""

_secrets: set[str] = set()


def keep_secret(secret: str) -> None:
    """Let `veiled` hide this text from now on, as it is and as addresses spell it."""
    if len(secret) >= SHORTEST:
        _secrets.update((secret, quote(secret, safe=""), repr(secret)[1:-1]))


def veiled(text: str) -> str:
    """``text`` without any secret.

    >>> keep_secret("pass/word")
    >>> veiled("postgresql://me:pass%2Fword@db")
    'postgresql://me:***@db'
    """
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, VEIL)
    return text
