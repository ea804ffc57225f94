"""What a receiver answered, in the words that the courier acts upon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answer = Literal[
    "sent",
    "wait",  # too many requests: nothing was taken; come back after so many seconds
    "failed",  # may pass; nothing was taken
    "unclear",  # may pass; it may have been taken all the same
    "refused",  # this content will never be taken
    "gone",  # the message to be edited is no longer there
    "stop",  # nothing will be taken until somebody acts
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer; ``detail`` holds no secret and is fit for logs, metrics and pages."""

    answer: Answer
    detail: str = ""
    after_s: float = 0.0
    ref: str = ""  # the message's name at the receiver
    place: str = ""  # where it is


def by_status(status: int, body: str, retry_after: str | None) -> Outcome:
    """The outcome of an answer over HTTP, as receivers of webhooks commonly mean it."""
    detail = f"HTTP {status} {body[:200]}".strip()
    if 200 <= status < 300:
        return Outcome("sent", detail)
    if status == 429:
        return Outcome("wait", detail, after_s=seconds(retry_after))
    if status == 503 and retry_after:
        return Outcome("wait", detail, after_s=seconds(retry_after))
    if status in {400, 413, 422}:
        return Outcome("refused", detail)
    if status == 408 or status >= 500:
        return Outcome("unclear", detail)
    return Outcome("stop", detail)


def seconds(retry_after: str | None) -> float:
    """A Retry-After header; a minute where it is missing or no number."""
    text = (retry_after or "").strip()
    return float(text) if text.isdecimal() else 60.0
