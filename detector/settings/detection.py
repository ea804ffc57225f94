"""When errors become an incident."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


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
