"""How the deployed worker shows itself."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from detector.settings.section import Section


class RunSettings(Section, frozen=True):
    """How the deployed worker shows itself."""

    host: Annotated[
        str,
        Meta(
            description="Address on which /metrics, /livez and /readyz are served; empty for all "
            "addresses, because Prometheus and the kubelet ask from outside."
        ),
    ] = ""
    port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of metrics and probes; 0 picks one.")
    ] = 9470
    ready_behind_s: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds by which judging may be behind a topic that has more to read, "
            "and the worker still calls itself ready.",
        ),
    ] = 600.0
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Meta(
            description="Lines of the log on standard error: one JSON object each, or text; auto "
            "is text on a terminal and JSON elsewhere."
        ),
    ] = "auto"
    standby: Annotated[
        bool,
        Meta(
            description="Wait while another process holds the store, and take over when it is "
            "gone; false to refuse at once."
        ),
    ] = True
