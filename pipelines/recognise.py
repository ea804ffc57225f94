"""What one peeled record is: an access log entry, a line of istiod, the agent or Envoy, or none.

This is the careful path: record by record, and right before fast. The first reader that claims
the record wins, in this order: the mesh's own formats, the default layouts as whole lines,
control-plane and application lines, and at last what is certain of a damaged access log line.

Reasons of rejects, which are stable:

=================  ======================================================================
empty              no text
compressed         a compressed block where text was expected
binary             not text in any encoding near UTF-8
too-long           a line, or one value of a document, of more than ``MAX_LINE`` characters
nested-too-deep    JSON of a nesting that no log has
not-an-object      a JSON value that is no object
notice             a remark of the tool that followed the log
broken-json        begins as JSON, but neither parses nor keeps enough certain pairs
ztunnel            a line of ztunnel, which is no Envoy and prints no response flags
unknown-layout     text that fits nothing
unknown-keys       a JSON object whose keys say nothing known
=================  ======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.batch import Kind
from pipelines.envelopes import Identity, Record
from pipelines.events import NotAnEventError, control_event, event_row, kubernetes_event
from pipelines.formats import (
    access_json,
    access_text,
    agent,
    envoy_log,
    hint,
    istiod,
    kubernetes,
    pairs,
)
from pipelines.formats.custom import AccessFormat
from pipelines.formats.values import Reading
from pipelines.identity import NOBODY

MAX_LINE = 64 * 1024
"""Characters. Envoy's headers are limited to 60 KiB in all, so no entry is longer."""

EntryKind = Literal["access", "istiod", "agent", "envoy", "reject"]
LogKind = Literal["istiod", "agent", "envoy"]

_ZTUNNEL = re.compile(r"\bztunnel::|\baccess\s+connection (?:complete|failed|opened)\b")


@dataclass(slots=True)
class Entry:
    """What a record was recognised as.

    For access log entries ``fields`` holds names of schema.FIELDS; a name that is absent is not
    in the layout, or not certain, and None was printed as ``-``. Two more keys can stand there:
    ``hint``, a likely reason where the layout prints no details, and ``extra``, a dict of what a
    custom format prints beyond. ``partial`` says that the line was cut, repaired or not wholly
    understood; its fields are certain. ``event`` is a row of schema.CONTROL.
    """

    kind: EntryKind
    format: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    identity: Identity = NOBODY
    reason: str | None = None
    partial: bool = False
    event: dict[str, Any] | None = None
    precision: int = 6  # digits of a second that the times in fields were printed with


def recognise(
    record: Record, *, kind: Kind = "auto", formats: Sequence[AccessFormat] = ()
) -> Entry:
    """Say what a record is; never raises.

    Args:
        record: what envelopes.peel left.
        kind: what the topic or file is said to hold. It decides only between istiod and the
            agent, whose lines look alike; access log entries are found anywhere.
        formats: compiled formats of the mesh, tried before the default ones.
    """
    if (reason := _unreadable(record)) is not None:
        return Entry("reject", identity=record.identity, reason=reason)
    if record.document is not None:
        return _document(record.document, record, kind, formats)
    return _line(record.line or "", record, kind, formats)


def _unreadable(record: Record) -> str | None:
    """Why a record is not worth reading at all, or None."""
    if record.reason is not None:
        return record.reason
    texts = [record.line] if record.document is None else list(record.document.values())
    if any(isinstance(text, str) and len(text) > MAX_LINE for text in texts):
        return "too-long"
    blank = record.document is None and not (record.line or "").strip()
    return "empty" if blank else None


def _line(line: str, record: Record, kind: Kind, formats: Sequence[AccessFormat]) -> Entry:
    for form in formats:
        if (reading := form.read(line)) is not None and _says_enough(reading):
            return _access(reading, record)
    whole = access_text.read(line) or pairs.read_embedded_json(line)
    if whole is not None:
        return _access(whole, record)
    if _ZTUNNEL.search(line, 0, 512):
        return Entry("reject", identity=record.identity, reason="ztunnel")
    if (control := _control(line, record, kind)) is not None:
        return control
    damaged = (
        access_text.read_damaged(line) or pairs.read_broken_json(line) or pairs.read_equals(line)
    )
    for form in formats:
        if (cut := form.read_cut(line)) is not None and _more(cut, damaged):
            damaged = cut
    if damaged is not None:
        return _access(damaged, record)
    reason = "broken-json" if line.lstrip().startswith("{") else "unknown-layout"
    return Entry("reject", identity=record.identity, reason=reason)


def _document(
    document: dict[str, Any], record: Record, kind: Kind, formats: Sequence[AccessFormat]
) -> Entry:
    for form in formats:
        if (reading := form.read_document(document)) is not None and _says_enough(reading):
            return _access(reading, record)
    known = access_json.read(document, shipped=record.envelope != "bare")
    if known is not None:
        return _access(known, record)
    if document.get("scope") == "access" and "src.addr" in document:
        return Entry("reject", identity=record.identity, reason="ztunnel")
    if (event := _event(document, record, kind)) is not None:
        return event
    if (control := _control(document, record, kind)) is not None:
        return control
    return Entry("reject", identity=record.identity, reason="unknown-keys")


def _access(reading: Reading, record: Record) -> Entry:
    fields = reading.fields
    if (likely := hint.of(fields)) is not None:
        fields["hint"] = likely
    if reading.extra:
        fields["extra"] = reading.extra
    return Entry(
        "access",
        reading.format,
        fields,
        record.identity,
        partial=reading.partial or record.partial,
        precision=reading.precision,
    )


def _says_enough(reading: Reading) -> bool:
    """Whether a custom format read what an access log entry needs."""
    return bool(reading.fields.keys() & {"response_code", "response_flags", "start_time"})


def _more(one: Reading, other: Reading | None) -> bool:
    return other is None or len(one.fields) > len(other.fields)


def _event(document: dict[str, Any], record: Record, kind: Kind) -> Entry | None:
    """A Kubernetes event, or a control-plane event in the NDJSON shape, or None."""
    if (told := kubernetes.read(document)) is not None:
        row = kubernetes_event(told)
        return Entry("istiod", "kubernetes-event", told, record.identity, event=row)
    if kind == "access":
        return None
    try:
        event = event_row(document)
    except NotAnEventError:
        return None
    fields = {name: value for name, value in event.items() if value is not None}
    return Entry("istiod", "event", fields, record.identity, event=event)


def _control(source: str | dict[str, Any], record: Record, kind: Kind) -> Entry | None:
    """A line of istiod, pilot-agent or Envoy's own log, or None.

    Envoy's are unmistakable. The agent's and istiod's differ by their container; where nobody
    tells, istiod's reader leaves what only the agent says.
    """
    container = record.identity.container
    readers: tuple[LogKind, ...] = ("envoy", "istiod", "agent")
    if container == "istio-proxy" or (container is None and kind == "access"):
        readers = ("envoy", "agent")
    elif container == "discovery" or kind == "control-plane":
        readers = ("istiod", "envoy", "agent")
    for writer in readers:
        fields = _read_log(writer, source)
        if fields is not None:
            shape = "text" if isinstance(source, str) else "json"
            name = f"{'envoy-log' if writer == 'envoy' else writer}-{shape}"
            event = control_event(fields, record.identity, writer)
            return Entry(writer, name, fields, record.identity, partial=record.partial, event=event)
    return None


def _read_log(writer: LogKind, source: str | dict[str, Any]) -> dict[str, Any] | None:
    if isinstance(source, str):
        return _LINE_READERS[writer](source)
    return _DOCUMENT_READERS[writer](source)


_LINE_READERS: dict[LogKind, Callable[[str], dict[str, Any] | None]] = {
    "envoy": envoy_log.read,
    "istiod": istiod.read,
    "agent": agent.read,
}
_DOCUMENT_READERS: dict[LogKind, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "envoy": envoy_log.read_json,
    "istiod": istiod.read_json,
    "agent": agent.read_json,
}
