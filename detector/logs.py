"""The log of the long-lived processes: one JSON object a line, repeats told once a minute.

Fields: ``ts`` (RFC 3339), ``level``, ``component`` (the logger), ``msg``, whatever the caller
gave as ``extra={"fields": {...}}``, ``repeated`` (how many lines like this one were left out
before it), and ``error`` with the traceback of a defect. Log lines of the mesh are never among
them: they hold personal data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

from detector import clock
from detector.secrecy import veiled

Form = Literal["auto", "json", "text"]

REPEAT_S = 60.0
MAX_KINDS = 1_000
"""Sorts of lines whose repeats are counted; beyond it all are forgotten and told again."""

_OWN = "pushwake"


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON, its secrets veiled."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        shown: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, tz=UTC),
            "level": record.levelname.lower(),
            "component": record.name.removeprefix(f"{_OWN}."),
            "msg": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if repeated := getattr(record, "repeated", 0):
            shown["repeated"] = repeated
        if record.exc_info:
            shown["error"] = self.formatException(record.exc_info)
        return veiled(msgspec.json.encode(shown, enc_hook=str).decode())


class TextFormatter(logging.Formatter):
    """A record for people, its secrets veiled."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines when there is a traceback."""
        fields = " ".join(f"{k}={v}" for k, v in getattr(record, "fields", {}).items())
        return veiled(f"{super().format(record)} {fields}".rstrip())


class Repeats(logging.Filter):
    """Lets the first line of a sort through, and one a minute after it with the count of others.

    Two lines are of one sort when logger, level and message before its arguments agree.
    """

    def __init__(self, monotonic_s: Callable[[], float] = clock.monotonic_s) -> None:
        super().__init__()
        self._monotonic_s = monotonic_s
        self._told: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written."""
        sort = (record.name, record.levelno, str(record.msg))
        now = self._monotonic_s()
        told_s, left_out = self._told.get(sort, (now - REPEAT_S, 0))
        if now - told_s < REPEAT_S:
            self._told[sort] = (told_s, left_out + 1)
            return False
        if len(self._told) >= MAX_KINDS:
            self._told.clear()
        self._told[sort] = (now, 0)
        record.repeated = left_out
        return True


def start(stream: TextIO, form: Form = "auto") -> None:
    """Let all loggers of the process write to ``stream``; ours from info, others from warning.

    Args:
        stream: usually standard error.
        form: how lines look; auto is text on a terminal, JSON elsewhere.
    """
    is_text = form == "text" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OWN).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
