"""How often each known fault was found among the incidents of a store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from detector.store import tables
from detector.store.incident_index import incident_names


class Hits(NamedTuple):
    """Incidents that showed a fault, and when the last of them was detected."""

    times: int
    last: datetime


def signature_hits(connection: sa.Connection) -> Mapping[str, Hits]:
    """Hits by the fault's id."""
    incidents, names = tables.incidents, incident_names
    query = (
        sa.select(names.c.name, sa.func.count(), sa.func.max(incidents.c.detected_at))
        .join(incidents, incidents.c.id == names.c.incident_id)
        .where(names.c.kind == "fault")
        .group_by(names.c.name)
    )
    return {name: Hits(times, last) for name, times, last in connection.execute(query)}
