"""How often each known fault was found among the incidents of a store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from detector.store import tables


class Hits(NamedTuple):
    """Incidents that showed a fault, and when the last of them was detected."""

    times: int
    last: datetime


class _Signature(msgspec.Struct):
    id: str


class _Incident(msgspec.Struct):
    """The part of an incident's document that is asked for here."""

    detected_at: datetime
    signature: _Signature | None = None


def signature_hits(connection: sa.Connection) -> Mapping[str, Hits]:
    """Hits by the fault's id."""
    decode = msgspec.json.Decoder(_Incident).decode
    found: dict[str, Hits] = {}
    for text in connection.scalars(sa.select(tables.incidents.c.document)):
        incident = decode(text)
        if incident.signature is None:
            continue
        known = found.get(incident.signature.id, Hits(0, incident.detected_at))
        found[incident.signature.id] = Hits(known.times + 1, max(known.last, incident.detected_at))
    return found
