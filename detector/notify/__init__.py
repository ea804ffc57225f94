"""Whom to tell, what, and how to be sure that it arrived: drains the outbox of the store."""

from __future__ import annotations

from detector.notify.channels import couriers
from detector.notify.desk import Desk
from detector.notify.health import Health, alive, ready
from detector.notify.meter import Meter
from detector.notify.notifier import Notifier
from detector.notify.trial import Trial, try_out

__all__ = [
    "Desk",
    "Health",
    "Meter",
    "Notifier",
    "Trial",
    "alive",
    "couriers",
    "ready",
    "try_out",
]
