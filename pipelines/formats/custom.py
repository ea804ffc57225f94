"""A mesh's own accessLogFormat, compiled into the parser of its lines.

Istio takes either a text with Envoy's command operators or a JSON object, nested or not, whose
values are such texts. What an operator prints that has no name in schema.FIELDS, known to this
program or not, is kept as ``extra``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from pipelines.formats.operators import LONG_FLAGS, FormatError, Operator
from pipelines.formats.template import Template
from pipelines.formats.times import TimeFormat
from pipelines.formats.values import BadValueError, Reading, is_address_list, is_request_id, put

__all__ = ["AccessFormat", "FormatError"]

_BYTE = re.compile(r"\(byte ([0-9]+)\)")
_MAX_DEPTH = 16
_HEADERS = ("x_forwarded_for", "user_agent", "request_id", "authority")
_MISSING = object()

Path = tuple[str | int, ...]


class AccessFormat:
    """A compiled format. Make one with :meth:`compile`; it can be used from several threads."""

    def __init__(self, text: str, leaves: dict[Path, Template]) -> None:
        self.text = text
        self.name = "custom-text" if () in leaves else "custom-json"
        self._leaves = leaves
        operators = [operator for leaf in leaves.values() for operator in leaf.operators]
        self._fields = {operator: operator.field for operator in operators}
        self._times = {
            operator: TimeFormat(operator.argument)
            for operator in operators
            if operator.field == "start_time"
        }

    @classmethod
    def compile(cls, text: str) -> AccessFormat:
        """Compile ``meshConfig.accessLogFormat``, or the labels of a provider as JSON.

        Raises:
            FormatError: the format is malformed or prints nothing; it says where.
        """
        stripped = text.strip().removesuffix("\\n").strip()
        text_form = not stripped.startswith("{")
        leaves: dict[Path, Template] = {(): Template(stripped)} if text_form else _leaves(stripped)
        if not any(leaf.operators for leaf in leaves.values()):
            raise FormatError("the format holds no command operator", 0)
        return cls(text, leaves)

    def read(self, line: str) -> Reading | None:
        """Read a whole line of a text format; None when it is not of this format.

        Envoy escapes nothing. Where quotes inside a header leave several ways to part the
        headers, those are left out and the reading is partial.
        """
        if self.name == "custom-json":
            return None
        template, text = self._leaves[()], line.strip()
        values = template.match(text)
        doubtful = values is None
        if doubtful:
            values = template.match(text, all_loose=True)
        if values is None:
            return None
        reading = self._reading(zip(template.operators, values, strict=True))
        for name in _HEADERS if doubtful else _ambiguous(reading.fields):
            reading.partial = True
            reading.fields.pop(name, None)
        return reading

    def read_cut(self, line: str) -> Reading | None:
        """Read the certain start of a line of a text format that was cut."""
        if self.name == "custom-json":
            return None
        template = self._leaves[()]
        values = template.match_start(line.strip())
        reading = self._reading(zip(template.operators, values, strict=False))
        reading.partial = True
        return reading if reading.fields.keys() & {"response_code", "response_flags"} else None

    def read_document(self, document: Mapping[str, Any]) -> Reading | None:
        """Read a JSON object of a JSON format; None when it lacks most of the format's keys."""
        if self.name == "custom-text":
            return None
        found: list[tuple[Operator, object]] = []
        present = 0
        for path, leaf in self._leaves.items():
            value = _at(document, path)
            if value is _MISSING:
                continue
            present += 1
            found += _split_value(leaf, value)
        if 2 * present < len(self._leaves) or not found:
            return None
        return self._reading(found)

    def _reading(self, values: Iterable[tuple[Operator, object]]) -> Reading:
        """Put operators' values into fields; of two for one field the first that says much."""
        reading = Reading(self.name, {})
        for operator, value in values:
            field = self._fields[operator]
            if field is None:
                reading.extra[operator.label] = None if value == "-" else value
            elif reading.fields.get(field) is not None:
                if value != reading.fields[field]:
                    reading.extra[operator.label] = value
            elif field == "start_time":
                self._put_time(reading, operator, value)
            else:
                long = operator.name == "RESPONSE_FLAGS_LONG"
                put(reading, field, _short_flags(value) if long else value)
        return reading

    def _put_time(self, reading: Reading, operator: Operator, value: object) -> None:
        form = self._times[operator]
        if not form.readable or value in (None, "-", ""):
            reading.extra[operator.label] = value
            return
        try:
            printed = str(value) if isinstance(value, (int, str)) else ""
            reading.fields["start_time"], reading.precision = form.read(printed)
        except BadValueError:
            reading.partial = True


def _ambiguous(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that can be parted in other ways, because one of them holds quotes."""
    path, agent = fields.get("path") or "", fields.get("user_agent") or ""
    if '"' in path and " " in path:
        return ("path", *_HEADERS)
    if '" "' not in agent:
        return ()
    parted = any(is_request_id(piece) for piece in agent.split('" "'))
    if parted or not is_request_id(fields.get("request_id") or ""):
        return _HEADERS
    return () if is_address_list(fields.get("x_forwarded_for") or "-") else _HEADERS[:2]


def _leaves(text: str) -> dict[Path, Template]:
    """The templates of a JSON format, by their place in it."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        place = _BYTE.search(str(error))
        position = int(place[1]) if place else len(text)
        raise FormatError(f"the format is not JSON ({error})", position) from None
    except RecursionError:
        raise FormatError("the format is nested too deep", 0) from None
    return dict(_templates(document, (), text))


def _templates(node: object, path: Path, text: str) -> Iterator[tuple[Path, Template]]:
    if len(path) > _MAX_DEPTH:
        raise FormatError("the format is nested too deep", 0)
    if isinstance(node, str):
        try:
            yield path, Template(node)
        except FormatError as error:
            key = ".".join(map(str, path))
            where = max(0, text.find(msgspec.json.encode(node).decode()[1:-1]))
            message = str(error).rpartition(" at position")[0]
            raise FormatError(f"{key}: {message}", where + error.position) from None
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _templates(value, (*path, key), text)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _templates(value, (*path, index), text)


def _short_flags(value: object) -> object:
    """The short names of flags in the long form; unknown ones stay as they are."""
    if not isinstance(value, str):
        return value
    return ",".join(LONG_FLAGS.get(flag, flag) for flag in value.split(","))


def _at(document: object, path: Path) -> object:
    """The value at a place in a document; ``_MISSING`` when there is none."""
    node = document
    for step in path:
        if isinstance(node, Mapping) and step in node:
            node = node[step]
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]  # the same words, another type
        else:
            return _MISSING
    return node


def _split_value(leaf: Template, value: object) -> list[tuple[Operator, object]]:
    """The value of each operator in one JSON value.

    Envoy keeps a value's type only where it is one operator alone.
    """
    if len(leaf.operators) == 1 and leaf.alone:
        return [(leaf.operators[0], value)]
    parts = leaf.match(value) if isinstance(value, str) else None
    return [] if parts is None else list(zip(leaf.operators, parts, strict=True))
