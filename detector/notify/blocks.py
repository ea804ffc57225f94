"""Slack's Block Kit within Slack's limits, and its escaping.

Limits: https://docs.slack.dev/reference/block-kit/blocks and the length of a whole message, which
fails from about 13,000 characters although every single limit holds (slackapi/bolt-js#2509).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Block = dict[str, Any]

MAX_BLOCKS = 40  # Slack takes 50
MAX_TOTAL = 10_000
SECTION = 2_900  # Slack takes 3,000
FIELD = 1_900  # Slack takes 2,000
FIELDS = 10
HEADER = 150
CONTEXT = 1_900
FALLBACK = 1_000
CUT = "…"
NOTHING = "–"
"""In place of a text that Slack would take for none, and so refuse the whole message."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(text: str, limit: int) -> str:
    """``text`` with ``& < >`` escaped, at most ``limit`` characters of Slack's counting.

    No escape is cut in two, and no text is empty.

    >>> escaped("a<b & c", 100), escaped("<<<<", 10), escaped(" ", 10)
    ('a&lt;b &amp; c', '&lt;&lt;…', '–')
    """
    text = said(text)
    parts: list[str] = []
    length = 0
    for character in text:
        part = _ESCAPES.get(character, character)
        if length + len(part) > limit:
            while parts and length + len(CUT) > limit:
                length -= len(parts.pop())
            return "".join(parts) + CUT
        parts.append(part)
        length += len(part)
    return "".join(parts)


def said(text: str) -> str:
    """``text``, or a dash if there is nothing in it that can be seen."""
    visible = any(one.isprintable() and not one.isspace() for one in text)
    return text if visible else NOTHING


def link(url: str, label: str) -> str:
    """A link in Slack's markup; ``url`` is of our own making."""
    return f"<{escaped(url, 1_000).replace('|', '%7C')}|{escaped(label, 100)}>"


def header(text: str) -> Block:
    """A heading; plain text, which knows no escapes."""
    text = said(text)
    short = text if len(text) <= HEADER else text[: HEADER - 1] + CUT
    return {"type": "header", "text": {"type": "plain_text", "text": short, "emoji": False}}


def section(text: str) -> Block:
    """A paragraph of escaped text; cut by the caller."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": said(text)}}


def fields(pairs: Iterable[tuple[str, str]]) -> Block:
    """Short facts side by side, each under its name."""
    shown = [
        {"type": "mrkdwn", "text": f"*{name}*\n{escaped(value, FIELD - len(name) - 3)}"}
        for name, value in list(pairs)[:FIELDS]
    ]
    return {"type": "section", "fields": shown}


def context(text: str) -> Block:
    """Small print."""
    elements = [{"type": "mrkdwn", "text": escaped(text, CONTEXT)}]
    return {"type": "context", "elements": elements}


def code(lines: Sequence[str], limit: int) -> str:
    """Lines of a log as they are; what would end the block is replaced."""
    text = "\n".join(lines).replace("```", "'''")
    return f"```{escaped(text, limit - 6)}```"


def fitting(blocks: Sequence[Block], *, last: int = 1) -> list[Block]:
    """``blocks`` within the budget of a whole message.

    Args:
        blocks: the most important first.
        last: how many at the end are kept in any case; what is dropped lies before them.
    """
    kept, tail = list(blocks[: len(blocks) - last]), list(blocks[len(blocks) - last :])
    while kept and (len(kept) + last > MAX_BLOCKS or size([*kept, *tail]) > MAX_TOTAL):
        kept.pop()
    return [*kept, *tail]


def size(blocks: Iterable[Block]) -> int:
    """Characters of text in all blocks."""
    return sum(_length(block) for block in blocks)


def _length(part: object) -> int:
    if isinstance(part, str):
        return len(part)
    if isinstance(part, dict):
        return sum(_length(value) for name, value in part.items() if name != "type")
    return sum(_length(value) for value in part) if isinstance(part, list) else 0
