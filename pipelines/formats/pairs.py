"""Key and value pairs in text: JSON that was cut or broken, and key=value formats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pipelines.formats.access_json import Pair, read, read_pairs
from pipelines.formats.mend import untypeset
from pipelines.formats.values import TIMESTAMP, Reading, put_time

_JSON_PAIR = re.compile(
    r'"((?:[^"\\]|\\.){1,128}+)"\s{0,8}:\s{0,8}'
    r'(?:"((?:[^"\\]|\\.)*+)"|(null|true|false|-?[0-9]{1,19}(?:\.[0-9]{1,19})?)(?=\s*[,}]))'
)
_EQUALS_PAIR = re.compile(
    r'(?<![^\s,{\[(])([A-Za-z@:][A-Za-z0-9_.:-]{0,63})=(?:"([^"]*+)"|([^\s",;]++)(?=[\s,;]))'
)
_NEXT_OBJECT = re.compile(r"(?<=\})(?:\s|\\{1,4}[nr]){0,8}(?=\{)")
_METRIC = re.compile(r"\s*[A-Za-z_:][A-Za-z0-9_:]*\{")
_LEADING_TIME = re.compile(rf"\[?({TIMESTAMP})\]?\s")


def read_broken_json(text: str) -> Reading | None:
    """What is certain of a JSON entry that was cut, wrapped or lost its braces."""
    text = untypeset(text)
    if '\\":' in text and '":' not in text.replace('\\":', ""):
        text = text.replace('\\"', '"')
    if "':" in text and '":' not in text:  # a Python dict, printed
        text = text.replace("'", '"').replace(": None", ": null")
    if '":' not in text and '" :' not in text:
        return None
    if "\n" in text:
        text = "".join(line.strip("\r") for line in text.split("\n"))
    for entry in _NEXT_OBJECT.split(text):  # entries that were joined must not mix
        if (reading := read_pairs(_json_pairs(entry))) is not None:
            reading.partial = True
            return reading
    return None


def read_embedded_json(line: str) -> Reading | None:
    """A whole JSON entry behind a prefix that no envelope has, or None."""
    begin, end = line.find("{"), line.rfind("}")
    if begin <= 0 or end < begin or '"' not in line:
        return None
    try:
        document = msgspec.json.decode(line[begin : end + 1], type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
    return read(document)


def _json_pairs(text: str) -> Iterator[Pair]:
    for key, string, literal in _JSON_PAIR.findall(text):
        if not literal:
            try:
                yield key, msgspec.json.decode(f'"{string}"', type=str)
            except msgspec.DecodeError:
                continue
        else:
            yield key, msgspec.json.decode(literal)


def read_equals(line: str) -> Reading | None:
    """An entry in ``key=value`` or ``key="value"`` form, or None.

    Its keys are somebody's own, so it counts as partial: what they mean is likely, and the
    format string makes it sure.
    """
    if "=" not in line or _METRIC.match(line):
        return None
    reading = read_pairs(
        (key, quoted or plain) for key, quoted, plain in _EQUALS_PAIR.findall(line + " ")
    )
    if reading is None:
        return None
    reading.format = "custom-text"
    reading.partial = True
    if "start_time" not in reading.fields and (begin := _LEADING_TIME.match(line)):
        put_time(reading, begin.group(1))
    return reading
