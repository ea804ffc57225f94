"""The error tree: everything that ends a command on purpose.

    PushwakeError               exit code 1
    ├── SettingsError           2   a setting is unknown, of the wrong type or out of range
    ├── InputError              3   nothing could be read from what was named
    └── StoreError              4   the store cannot be used
        ├── StoreUrlError           the address names no store that this build can open
        ├── StoreUnreachableError   the database server does not answer
        ├── StoreBusyError          another process holds the store
        ├── LeaseLostError          another process took the store over while this one slept
        ├── StoreFullError          no space left
        ├── StoreReadOnlyError      no permission to write
        ├── StoreCorruptError       the file is damaged, or no database
        └── StoreVersionError       written by a newer Pushwake

Each says what happened, where, and what to do about it. Bad *records* are not errors: they are
rejects, and one unreadable file among many is a `pipelines.source.FileProblem`.
"""

from __future__ import annotations

from typing import ClassVar


class PushwakeError(Exception):
    """What happened, where, and what to do.

    Args:
        what: the fact, without a final stop.
        where: file, setting or address concerned.
        advice: the next thing the reader should try, in one sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str, advice: str) -> None:
        super().__init__(what, where, advice)
        self.what = what
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        stop = "" if self.advice.endswith((".", "?")) else "."
        return f"{self.where}: {self.what}. {self.advice}{stop}"


class SettingsError(PushwakeError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = 2


class InputError(PushwakeError):
    """Nothing could be read from what was named."""

    exit_code = 3


class StoreError(PushwakeError):
    """The store cannot be used."""

    exit_code = 4


class StoreUrlError(StoreError):
    """The address names no store that this build can open."""


class StoreUnreachableError(StoreError):
    """The database server does not answer; start again once it does."""


class StoreBusyError(StoreError):
    """Another process holds the store; its lease has not expired."""


class LeaseLostError(StoreError):
    """Another process took the store over; nothing of this step was written."""


class StoreFullError(StoreError):
    """No space left; nothing of this step was written."""


class StoreReadOnlyError(StoreError):
    """No permission to write."""


class StoreCorruptError(StoreError):
    """The file is damaged, or is no database."""


class StoreVersionError(StoreError):
    """Written by a newer Pushwake, whose tables this one does not know."""
