"""One frozen tree of settings: fields, defaults, ranges and help in one place.

The annotations below are the only table of settings. They feed the code (types and defaults),
the checks (ranges), ``pushwake settings`` and the documentation (`describe`). Reading TOML,
environment and flags lives in `detector.configure`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings; immutable, every field with a default and a help text."""


class DetectionSettings(Section, frozen=True):
    """When errors become an incident."""

    false_incidents_per_week: Annotated[
        float, Meta(gt=0, description="False incidents accepted per week over the whole mesh.")
    ] = 1.0
    bucket_s: Annotated[
        int, Meta(ge=1, le=300, description="Length of a bucket of event time, in seconds.")
    ] = 10
    lateness_s: Annotated[
        int,
        Meta(ge=0, le=3600, description="Seconds by which an entry may be late and still count."),
    ] = 10
    warmup_s: Annotated[
        int,
        Meta(
            ge=0,
            description="Seconds a series must have been seen before its own history alone may "
            "raise an alarm; until then the priors of its signal decide.",
        ),
    ] = 1800
    min_excess: Annotated[
        float,
        Meta(ge=0, description="Errors beyond the expected ones below which no incident opens."),
    ] = 5.0
    half_life_h: Annotated[
        float, Meta(gt=0, description="Hours after which an observation weighs half.")
    ] = 8.0
    max_series: Annotated[
        int, Meta(ge=100, description="Series kept in memory; the quietest make room.")
    ] = 200_000
    history_s: Annotated[
        int,
        Meta(ge=600, description="Seconds of error history kept per series for attribution."),
    ] = 10_800
    recover_s: Annotated[
        int, Meta(ge=10, description="Seconds without an alarm until an incident is recovering.")
    ] = 30
    resolve_s: Annotated[
        int, Meta(ge=10, description="Seconds without an alarm until an incident is resolved.")
    ] = 600
    client_incidents: Annotated[
        bool,
        Meta(description="Open incidents for what clients cause, such as bursts of 401 and 404."),
    ] = False


class WindowSettings(Section, frozen=True):
    """When a reconciliation window opens and closes."""

    complete_share: Annotated[
        float,
        Meta(gt=0, le=1, description="Share of the known proxies whose reconciling ends a window."),
    ] = 0.97
    push_s: Annotated[
        int, Meta(ge=1, description="Seconds after a full push in which its effects may show.")
    ] = 22
    storm_s: Annotated[
        int, Meta(ge=1, description="Seconds added behind a storm of pushes or reconnects.")
    ] = 10
    settle_s: Annotated[
        int, Meta(ge=0, description="Seconds after its last proxy during which a window counts.")
    ] = 15
    max_s: Annotated[
        int, Meta(ge=60, description="Seconds after which a window closes, complete or not.")
    ] = 7200


class StoreSettings(Section, frozen=True):
    """Where state is kept."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            description="SQLAlchemy address of the store: sqlite:///FILE, or sqlite:// to keep "
            "everything in memory.",
        ),
    ] = "sqlite:///pushwake.db"
    lease_s: Annotated[
        float,
        Meta(gt=0, description="Seconds after which a process that went silent loses the store."),
    ] = 30.0
    busy_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds to wait for another process's transaction.")
    ] = 10.0
    commit_s: Annotated[
        float, Meta(gt=0, description="Seconds at the most between two commits of a live run.")
    ] = 5.0


class ReportSettings(Section, frozen=True):
    """What the HTML report shows."""

    title: Annotated[str, Meta(description="Heading of the report.")] = "Pushwake report"
    context_s: Annotated[
        int, Meta(ge=0, description="Seconds drawn before and after an incident.")
    ] = 300


class RedactionSettings(Section, frozen=True):
    """What exemplars may show of a log line."""

    query_strings: Annotated[bool, Meta(description="Hide the query part of paths.")] = True
    addresses: Annotated[
        bool, Meta(description="Hide addresses of clients (X-Forwarded-For, remote address).")
    ] = True
    patterns: Annotated[
        tuple[str, ...], Meta(description="Further regular expressions to hide in exemplars.")
    ] = ()
    max_length: Annotated[int, Meta(ge=80, description="Characters kept of an exemplar line.")] = (
        1000
    )


class Settings(Section, frozen=True):
    """The whole tree. ``formats`` maps a name of your choice to a mesh's accessLogFormat."""

    detection: Annotated[DetectionSettings, Meta(description="When errors become an incident.")] = (
        DetectionSettings()
    )
    windows: Annotated[
        WindowSettings, Meta(description="When a reconciliation window opens and closes.")
    ] = WindowSettings()
    store: Annotated[StoreSettings, Meta(description="Where state is kept.")] = StoreSettings()
    report: Annotated[ReportSettings, Meta(description="What the report shows.")] = ReportSettings()
    redaction: Annotated[
        RedactionSettings, Meta(description="What exemplars may show of a log line.")
    ] = RedactionSettings()
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
