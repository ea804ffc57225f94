"""What the notifier says of itself to probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from detector import clock
from detector.notify.courier import Courier, Standing
from detector.probes import Answer
from detector.report.phrases import duration, plural

STUCK_S = 300.0
"""A channel's loop that has not turned for so long hangs: answers are waited for a few seconds."""


@dataclass(slots=True)
class Health:
    """Plain facts, replaced one by one; readers on other threads see each whole."""

    phase: Literal["starting", "standby", "running", "stopping"] = "starting"
    trouble: str = ""
    couriers: Mapping[str, Courier] = field(default_factory=dict)


def alive(health: Health) -> Answer:
    """Whether every channel's loop turns; neither store nor receivers are asked."""
    now_s = clock.monotonic_s()
    stuck = [
        name
        for name, courier in health.couriers.items()
        if health.phase == "running" and now_s - courier.standing.turned_s > STUCK_S
    ]
    return Answer(not stuck, {"stuck": stuck} if stuck else {})


def ready(health: Health) -> Answer:
    """Whether it delivers, and how each channel is.

    A channel that is stopped leaves the process ready: the others go on, and no restart helps.
    """
    detail: dict[str, Any] = {"phase": health.phase}
    if health.trouble:
        detail["trouble"] = health.trouble
    told = {name: _told(courier.standing) for name, courier in health.couriers.items()}
    return Answer(health.phase == "running", {**detail, "channels": told})


def _told(standing: Standing) -> dict[str, Any]:
    told: dict[str, Any] = {"state": "stopped" if standing.problem else "ok", "waiting": "nothing"}
    if standing.waiting:
        oldest = duration(timedelta(seconds=standing.oldest_s))
        told["waiting"] = f"{plural(standing.waiting, 'incident')}, for {oldest} at most"
    if standing.held:
        told["quiet"] = f"{plural(standing.held, 'incident')} until the quiet hours end"
    if standing.problem:
        return {**told, "problem": standing.problem, "since": standing.since}
    if standing.last:
        told |= {"state": "held up", "problem": standing.last, "next_try": standing.retry_at}
    return told
