"""How reading is shared by several processes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


class RollupSettings(Section, frozen=True):
    """How reading is shared by several processes."""

    on: Annotated[
        bool,
        Meta(
            description="Whether rollup workers read the topics of access logs for the worker that "
            "judges; all processes have to be told the same."
        ),
    ] = False
    suffix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]+$",
            description="Appended to a topic's name: the topic to which its counts are written, "
            "with as many partitions; made when it is not there.",
        ),
    ] = ".rollups"
    group: Annotated[
        str, Meta(min_length=1, description="Consumer group that all rollup workers share.")
    ] = "pushwake-rollup"
    instance: Annotated[
        str,
        Meta(
            description="Name that this worker keeps over restarts and shares with no other one; "
            "empty for the host's name."
        ),
    ] = ""
    linger_s: Annotated[
        float,
        Meta(gt=0, le=10, description="Seconds that counts are gathered before they are sent."),
    ] = 1.0
    host: Annotated[
        str,
        Meta(
            description="Address on which /metrics, /livez and /readyz are served; empty for all "
            "addresses."
        ),
    ] = ""
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of metrics and probes; 0 picks one.")
    ] = 9472
