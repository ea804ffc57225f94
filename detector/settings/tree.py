"""The whole tree of settings, and the table that it is.

The annotations of the sections are the only table of settings. They feed the code (types and
defaults), the checks (ranges), ``pushwake settings`` and the documentation (`describe`). Reading
TOML, environment and flags lives in `detector.configure`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta

from detector.settings.detection import DetectionSettings
from detector.settings.istiod import IstiodSettings
from detector.settings.kafka import KafkaSettings
from detector.settings.notify import NotifySettings
from detector.settings.report import RedactionSettings, ReportSettings
from detector.settings.rollup import RollupSettings
from detector.settings.run import RunSettings
from detector.settings.section import Section
from detector.settings.signatures import SignatureSettings
from detector.settings.store import StoreSettings
from detector.settings.web import WebSettings
from detector.settings.windows import WindowSettings


class Settings(Section, frozen=True):
    """The whole tree. ``formats`` maps a name of your choice to a mesh's accessLogFormat."""

    detection: Annotated[DetectionSettings, Meta(description="When errors become an incident.")] = (
        DetectionSettings()
    )
    windows: Annotated[
        WindowSettings, Meta(description="When a reconciliation window opens and closes.")
    ] = WindowSettings()
    istiod: Annotated[IstiodSettings, Meta(description="How istiod itself is asked.")] = (
        IstiodSettings()
    )
    kafka: Annotated[KafkaSettings, Meta(description="Where records come from.")] = KafkaSettings()
    run: Annotated[RunSettings, Meta(description="How the deployed worker shows itself.")] = (
        RunSettings()
    )
    rollup: Annotated[
        RollupSettings, Meta(description="How reading is shared by several processes.")
    ] = RollupSettings()
    signatures: Annotated[
        SignatureSettings, Meta(description="Which known faults are looked for.")
    ] = SignatureSettings()
    store: Annotated[StoreSettings, Meta(description="Where state is kept.")] = StoreSettings()
    web: Annotated[
        WebSettings, Meta(description="How the web process listens and what it allows.")
    ] = WebSettings()
    report: Annotated[ReportSettings, Meta(description="What the report shows.")] = ReportSettings()
    redaction: Annotated[
        RedactionSettings, Meta(description="What exemplars may show of a log line.")
    ] = RedactionSettings()
    notify: Annotated[NotifySettings, Meta(description="Whom to tell of incidents, and how.")] = (
        NotifySettings()
    )
    formats: Annotated[
        dict[str, str],
        Meta(
            description="accessLogFormat strings (text, or JSON as text) of your meshes, each "
            "under a name; tried before the built-in layouts."
        ),
    ] = msgspec.field(default_factory=dict)


class Setting(NamedTuple):
    """One row of the table of settings."""

    key: str  # section.name
    type: str
    default: Any
    help: str


def describe() -> list[Setting]:
    """Every setting with its type, default and help, in the order of declaration."""
    return list(_rows(Settings(), ""))


def _rows(section: Section, prefix: str) -> Iterator[Setting]:
    hints = get_type_hints(type(section), include_extras=True)
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _rows(value, f"{prefix}{name}.")
            continue
        kind, meta = get_args(hints[name])
        label = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
        yield Setting(f"{prefix}{name}", label, value, meta.description)
