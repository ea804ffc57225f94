"""How a line was understood, for people: what ``pushwake explain`` prints without ``--json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detector.report.phrases import clean

REASONS = {
    "empty": "there is no text in it",
    "compressed": "it is compressed; unpack it, or replay the file, which unpacks gzip and zstd",
    "binary": "it is no text",
    "too-long": "it is longer than any access log entry can be",
    "nested-too-deep": "its JSON is nested deeper than any log entry is",
    "broken-json": "it begins as JSON but cannot be read as such; was it cut?",
    "not-an-object": "it is JSON, but no object",
    "notice": "it is a remark of the tool that followed the log",
    "ztunnel": "it is a line of ztunnel, which prints no response flags",
    "unknown-layout": "it fits no known layout; give the mesh's accessLogFormat with --format",
    "unknown-keys": "its JSON keys are unknown; give the mesh's accessLogFormat with --format",
}
KINDS = {
    "access": "an access log entry",
    "istiod": "a line of istiod",
    "agent": "a line of pilot-agent, beside Envoy in istio-proxy",
    "envoy": "a line of Envoy's own log",
}
_LONGEST = 500


def explanation(told: Mapping[str, Any]) -> RenderableType:
    """One record's reading, as `pipelines.explain.explain` gives it, as text and a table."""
    if told["kind"] == "reject":
        reason = str(told["reason"])
        why = REASONS.get(reason, "see the list of reasons in the documentation")
        return Text.assemble(("Not understood", "bold red"), f" ({reason}): {why}.")
    head = Text.assemble("This is ", (KINDS[told["kind"]], "bold"), f" ({told['format']})")
    if told.get("envelope"):
        head.append(f" inside {told['envelope']}")
    if told.get("partial"):
        head.append("; it was cut or damaged, and only what is certain is shown", style="yellow")
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for part in ("identity", "fields", "hint", "extra", "event"):
        for name, value in _rows(part, told.get(part)):
            table.add_row(name, value)
    return Group(head.append("."), table)


def _rows(part: str, value: object) -> list[tuple[str, Text]]:
    if value is None or value == {}:
        return []
    if not isinstance(value, Mapping):
        return [(part, _shown(value))]
    prefix = "" if part in ("fields", "identity") else f"{part}: "
    return [(f"{prefix}{name}", _shown(one)) for name, one in value.items()]


def _shown(value: object) -> Text:
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, list):
        return Text(clean(", ".join(map(str, value)), _LONGEST) or "-")
    return Text(clean(str(value), _LONGEST))
