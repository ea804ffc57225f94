"""Undo what e-mail, blogs, spreadsheets and converters do to a line on its way.

A mended line gives a partial reading: its values are read, but no longer as printed.
"""

from __future__ import annotations

import re

from pipelines.formats.values import TIMESTAMP

_QUOTE_MARK = re.compile(r"\n[ \t]*>[ \t]?")
_SPACES = re.compile(r"\s*\n\s*")
_DASHED_TIME = re.compile(r"\[[0-9]{4}[–—‒−-][0-9]{2}[–—‒−-][0-9]{2}T[^\]\s]{8,20}\]")
_LONE_DASH = re.compile(r"(?<=[ \"])[–—‒−](?=[ \"]|$)")
_OPEN_TIME = re.compile(rf'^({TIMESTAMP})\] "')
_MARKUP = re.compile(r"\*\*|(?<=\s)`|`(?=\s|$)|^`|\\(?=[_*|<>\[\]-])")
_TYPOGRAPHY = str.maketrans({"“": '"', "”": '"', "„": '"', "\u00a0": " ", "\ufeff": ""})
_ENTITIES = {"&#34;": '"', "&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")


def mend(line: str) -> str:
    """The line as it was probably printed; the line itself when nothing looks odd."""
    mended = _TERMINAL_COLOUR.sub("", line)
    if "\n" in mended.strip():
        mended = _unwrap(mended)
    if "&#34;" in mended or "&quot;" in mended:  # else a path's own "&amp;" would suffer
        for entity, char in _ENTITIES.items():
            mended = mended.replace(entity, char)
    mended = mended.translate(_TYPOGRAPHY)
    if '] \\"' in mended:
        mended = mended.replace('\\"', '"')
    if mended.count('""') > mended.count('"') / 4:
        mended = mended.replace('""', '"')
    mended = _MARKUP.sub("", mended)
    mended = _DASHED_TIME.sub(lambda found: re.sub("[–—‒−]", "-", found[0]), mended)
    mended = _LONE_DASH.sub("-", mended)
    return _OPEN_TIME.sub(r'[\1] "', mended)


def _unwrap(text: str) -> str:
    """Join the lines of one entry that was wrapped at spaces, quoted by ``>`` or not."""
    text = text.strip()
    if text.startswith(">"):
        text = _QUOTE_MARK.sub("\n", text).removeprefix(">")
    return _SPACES.sub(" ", text.strip())
