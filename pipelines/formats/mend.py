"""Undo what e-mail, blogs, spreadsheets and converters do to a line on its way.

A mended line gives a partial reading: its values are read, but no longer as printed.
"""

from __future__ import annotations

import re

from pipelines.formats.values import TIMESTAMP

_QUOTE_MARK = re.compile(r"\n[ \t]*>[ \t]?")
_SPACES = re.compile(r"\s*\n\s*")
_DASHED_TIME = re.compile(r"\[[0-9]{4}[–—‒−-][0-9]{2}[–—‒−-][0-9]{2}T[^\]\s]{8,20}\]")
_LONE_DASH = re.compile(r"(?<=[ \"])(?:[–—‒−]|~~)(?=[ \"]|$)")
_OPEN_TIME = re.compile(rf'(?:^|(?<=\s))(?:\[({TIMESTAMP})|({TIMESTAMP})\]) "')
_MARK = re.compile(r"\*\*|`|(?<![^ \"])~~(?![^ \"])|\\[_*|-]|</?[a-z]{1,6} ?/?>|(?<=.)'[,;)]?$")
_MARKUP = re.compile(r"(?<=.)'[,;)]?$|\*\*|(?<=\s)`|`(?=\s|$)|^`|\\(?=[_*|<>\[\]-])")
_TYPOGRAPHY = str.maketrans({"“": '"', "”": '"', "„": '"', "\u00a0": " ", "\ufeff": ""})
_ENTITIES = {"&#34;": '"', "&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ESCAPED = re.compile(rf'\[{TIMESTAMP}\] \\"')
_STRING_END = re.compile(r'(?<!\\)"')
_ESCAPE = re.compile(r"\\(u00[0-7][0-9a-fA-F]|.)")
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "",
    '"': '"',
    "\\": "\\",
    "/": "/",
    "u0026": "&",
    "u003c": "<",
    "u003e": ">",
    "u003d": "=",
    "u0027": "'",
}
_CELL = re.compile(r'^"(\[.*)"$', re.DOTALL)
_TAG = re.compile(r"</?(?:b|strong|em|i|mark|code|span|font|br|p|pre)(?: [^<>]{0,128})?/?>")
_RUNS = re.compile(r" {2,}")
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")


def is_marked(value: object) -> bool:
    """Whether a value that Envoy or Istio made carries marks of Markdown or HTML."""
    return isinstance(value, str) and _MARK.search(value) is not None


def mend(line: str) -> str:
    """The line as it was probably printed; the line itself when nothing looks odd."""
    mended = _TERMINAL_COLOUR.sub("", line)
    if "\n" in mended.strip():
        mended = _unwrap(mended)
    mended = _unescape(untypeset(mended))
    if mended.count('""') > mended.count('"') / 4:
        mended = mended.replace('""', '"')
        mended = _CELL.sub(r"\1", mended.strip()) if mended.rstrip().endswith('"') else mended
    mended = _TAG.sub("", _MARKUP.sub("", mended))
    mended = _DASHED_TIME.sub(lambda found: re.sub("[–—‒−]", "-", found[0]), mended)
    mended = _RUNS.sub(" ", _LONE_DASH.sub("-", mended))
    return _OPEN_TIME.sub(lambda found: f'[{found[1] or found[2]}] "', mended)


def untypeset(text: str) -> str:
    """``text`` with the plain characters that a page or an editor replaced."""
    if "&#34;" in text or "&quot;" in text:  # else a path's own "&amp;" would suffer
        for entity, char in _ENTITIES.items():
            text = text.replace(entity, char)
    return text.translate(_TYPOGRAPHY)


def _unescape(line: str) -> str:
    """The entry alone, when it stands inside a JSON string whose envelope was cut."""
    begin = _ESCAPED.search(line)
    if begin is None:
        return line
    end = _STRING_END.search(line, begin.end())
    inside = line[begin.start() : end.start() if end else len(line)]
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), inside)


def _unwrap(text: str) -> str:
    """Join the lines of one entry: wrapped at spaces, quoted by ``>`` or not, or at a column."""
    text = text.strip()
    if text.startswith(">"):
        text = _QUOTE_MARK.sub("\n", text).removeprefix(">").strip()
    lines = text.split("\n")
    if len(lines) > 2 and len({len(line) for line in lines[:-1]}) == 1:
        return "".join(lines)
    joined, quoted = "", False
    for line in _SPACES.split(text):
        # no value of Envoy's has a space behind a bar, so the page broke the line there
        joined += line if not joined or (quoted and joined.endswith("|")) else f" {line}"
        quoted ^= line.count('"') % 2 == 1
    return joined
