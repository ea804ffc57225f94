"""Taking layer after layer off one text or one JSON object, until the line itself is left."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec

from pipelines import metadata, otlp, prefixes, shippers
from pipelines.formats import kubernetes
from pipelines.record import Record, Wrapping, read_time

MAX_DEPTH = 8
"""Real logs come in two or three layers; deeper ones are made to hurt."""

_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
"""One JSON escape a match; a surrogate without its other half is in group 1."""

BARE = Wrapping()


_MAX_NESTING = 64
"""Shippers nest labels five deep at most; whoever walks a document must not fear its depth."""


class NotJsonError(ValueError):
    """The text is not JSON, or its numbers are out of any range."""


class TooDeepError(ValueError):
    """The text is nested deeper than can be decoded."""


def read_json(text: str) -> object:
    """Decode JSON, replacing halves of surrogate pairs, which shippers leave when they cut.

    Raises:
        NotJsonError: The text is malformed.
        TooDeepError: It is nested deeper than the interpreter bears.
    """
    try:
        return _decoded(text)
    except NotJsonError:
        if "\\ud" not in text and "\\uD" not in text:
            raise
        return _decoded(_ESCAPES.sub(lambda m: "\\ufffd" if m[1] else m[0], text))


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except RecursionError as error:
        raise TooDeepError from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise NotJsonError(str(error)) from error


def _is_deep(document: dict[str, Any]) -> bool:
    level: list[dict[str, Any] | list[Any]] = [document]
    for _ in range(_MAX_NESTING):
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def peel_text(text: str, wrapping: Wrapping = BARE) -> Record:
    """The one record in ``text``, which the layers in ``wrapping`` held."""
    if wrapping.depth > MAX_DEPTH:
        return wrapping.record(reason="nested-too-deep")
    text = prefixes.uncoloured(text).strip("\r\n\ufeff")
    if not text or text.isspace():
        return wrapping.record(reason="empty")
    indented = text.lstrip()
    if text[0] == '"' or indented[0] == "{":
        return _json_text(text, wrapping)
    if prefixes.starts_like_a_line(indented):
        text = indented
    if prefixes.is_notice(text):
        return wrapping.record(reason="notice")
    prefix = prefixes.find(text)
    return wrapping.record(line=text) if prefix is None else _without(text, prefix, wrapping)


def _json_text(text: str, wrapping: Wrapping) -> Record:
    try:
        content = read_json(text)
    except NotJsonError:
        return wrapping.record(line=text)
    except TooDeepError:
        return wrapping.record(reason="nested-too-deep")
    if isinstance(content, dict):
        return peel_object(content, wrapping)
    return _quoted(str(content), wrapping) or wrapping.record(line=text)


def _quoted(content: str, wrapping: Wrapping) -> Record | None:
    """A whole line inside a JSON string, as OpenTelemetry's raw encoding writes it.

    An access log entry that lost its time begins with a quote, too, so what is inside must
    begin as a line or an envelope does.
    """
    if content[:1] != "{" and not prefixes.begins(content):
        return None
    return peel_text(content, wrapping.around("quoted"))


def _without(text: str, prefix: prefixes.Prefix, wrapping: Wrapping) -> Record:
    mark, rest = text[: prefix.length], text[prefix.length :]
    if prefix.layer == "marks":
        rest = rest.replace(f"\n{mark}", "\n")
    inside = wrapping.around(
        prefix.layer,
        identity=prefix.identity,
        time=prefix.time,
        output=prefix.output,
        piece=None if prefix.partial is None else rest,
    )
    if prefix.partial:
        return inside.record(line=rest, partial=True)
    return peel_text(rest, inside)


def peel_object(document: dict[str, Any], wrapping: Wrapping = BARE) -> Record:
    """The record in a JSON object: an envelope's line, or the object as an entry itself."""
    if wrapping.depth > MAX_DEPTH or _is_deep(document):
        return wrapping.record(reason="nested-too-deep")
    if not document:
        return wrapping.record(reason="empty")
    whole = kubernetes.is_event(document)  # its "message" is no line
    content = document if whole else shippers.content_of(document)
    layer = None if whole else shippers.layer_of(document)
    identity = metadata.identity_of(document)
    if content is document and layer is None:
        known = replace(wrapping, identity=wrapping.identity.filled_by(identity))
        return known.record(document=document)
    text = content if isinstance(content, str) else None
    partial = None if text is None else shippers.partial_of(document)
    output = document.get("stream")
    inside = wrapping.around(
        layer or "json",
        identity=identity,
        time=read_time(shippers.time_of(document)),
        output=output if isinstance(output, str) else None,
        path=None if identity.pod else metadata.path_of(document),
        piece=None if partial is None or text is None else text.rstrip("\r\n"),
    )
    if isinstance(content, dict):
        whole = content is document
        return inside.record(document=document) if whole else peel_object(content, inside)
    if partial:
        return inside.record(line=inside.piece, partial=True)
    return peel_text(content, inside)


def peel_logged(logged: otlp.Logged, layer: str) -> Record:
    """The record in one OpenTelemetry log record: its body, or attributes that are an entry."""
    attributes = logged.attributes
    about = {**logged.resource, **attributes}
    output, path, tag = (about.get(key) for key in ("log.iostream", "log.file.path", "logtag"))
    body = logged.body
    piece = body.rstrip("\r\n") if isinstance(tag, str) and isinstance(body, str) else None
    wrapping = BARE.around(
        layer,
        identity=otlp.identity_of(about),
        time=read_time(logged.time_ns),
        output=output if isinstance(output, str) else None,
        path=path if isinstance(path, str) else None,
        piece=piece,
    )
    if piece is not None and isinstance(tag, str) and tag.startswith("P"):
        return wrapping.record(line=piece, partial=True)
    said = isinstance(body, str) and not body.isspace() and body != ""
    whole = said and prefixes.starts_like_a_line(str(body))
    if not whole and shippers.is_entry(attributes):
        return wrapping.record(document=attributes)
    if isinstance(body, str) and said:
        return peel_text(body, wrapping)
    if isinstance(body, dict) and body:
        return peel_object(body, wrapping)
    return wrapping.record(document=attributes) if attributes else wrapping.record(reason="empty")
