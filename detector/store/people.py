"""What the worker hears of people: what not to tell, and what to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from detector.documents import IncidentDocument
from detector.incidents.expectations import Expectation
from detector.silencing import Silence, silencers
from detector.store.feedback import expectations
from detector.store.silences import standing_silences


@dataclass(frozen=True, slots=True)
class Wishes:
    """What people want at a moment.

    Args:
        now: of the clock.
        silences: those that hold or will.
        expectations: of incidents that were called expected.
    """

    now: datetime
    silences: Sequence[Silence] = ()
    expectations: Sequence[Expectation] = ()

    def hold_back(self, incident: IncidentDocument) -> bool:
        """Whether nobody wants to hear of an incident now."""
        expected = any(one.incident_id == incident.id for one in self.expectations)
        return expected or bool(silencers(self.silences, incident, self.now))


def read_wishes(connection: sa.Connection, now: datetime) -> Wishes:
    """What people want now."""
    return Wishes(now, standing_silences(connection, now), expectations(connection))
