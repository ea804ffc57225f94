"""What the courier needs of whoever sends, and the faults that all of them share."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.error import URLError

from detector.notify.outcomes import Outcome
from detector.notify.slack_message import Message


@dataclass(frozen=True, slots=True)
class Mark:
    """By what a message is found again when nobody knows whether it arrived."""

    key: str
    part: str  # root, or what the thread told


class Chat(Protocol):
    """A place where people read. No call raises; each takes as long as the timeout at most."""

    editable: bool

    def post(
        self, message: Message, mark: Mark, *, thread: str = "", aloud: bool = False
    ) -> Outcome:
        """Send a message, or a reply in a thread; ``aloud`` shows a reply in the channel too."""
        ...

    def edit(self, ref: str, place: str, message: Message, mark: Mark) -> Outcome:
        """Change a message."""
        ...

    def find(self, mark: Mark, since: datetime, *, thread: str = "") -> Outcome:
        """Look for a message: ``sent`` with its ref, or ``gone``."""
        ...

    def picture(self, ref: str, place: str, image: bytes, title: str) -> Outcome:
        """Put a chart into the thread of a message."""
        ...


def fault(error: BaseException) -> Outcome:
    """The outcome of a call that ended without an answer; tells no address."""
    reason = error.reason if isinstance(error, URLError) else error
    name = type(reason).__name__
    if isinstance(reason, ConnectionRefusedError | socket.gaierror):
        return Outcome("failed", f"no connection ({name})")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Outcome("failed", "the server's certificate is not trusted")
    if isinstance(reason, TimeoutError):
        return Outcome("unclear", "no answer in time")
    return Outcome("unclear", f"the connection broke ({name})")
