"""When a reconciliation window opens and closes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from detector.settings.section import Section


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
    stuck_s: Annotated[
        int,
        Meta(
            ge=60,
            description="Seconds without progress after which an incomplete rollout is called "
            "stuck; it stays open until all proxies have moved or another one begins.",
        ),
    ] = 600
