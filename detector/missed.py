"""A fault that was there and that no incident told of: an incident of Pushwake's own (pure).

Who breaks a service on purpose tells so afterwards, when all of that time has been judged. It
becomes an incident like any other, in the store, on the pages and in messages, but none of the
book's: no baseline, no alarm limit and no later incident depends on it.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

import msgspec

from detector.documents import ANY
from detector.types import Attribution, Cause, Incident, Series, Share, Signature

MISSED = Signature(
    id="missed-fault",
    title="A fault that Pushwake missed",
    advice="See whether its entries were read at all (/v1/health/data, pushwake explain), whether "
    "it was below detection.min_excess, and what is usual there (pushwake series). If none of it "
    "explains the miss, report it with the entries of that time",
)
"""What incidents of this kind carry in the place of a known fault."""


class Miss(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that was there, as it was told."""

    id: str  # of its incident
    service: str
    signal: str  # response flag or code that it gave
    started_at: datetime
    ended_at: datetime
    failed: int  # requests that failed by it
    requests: int  # of so many
    cause: Cause
    note: str | None
    by: str
    reported_at: datetime


def miss_id(service: str, signal: str, started_at: datetime) -> str:
    """The id of a fault's incident: who tells of the same fault twice tells of one.

    >>> miss_id("cart.shop", "UC", datetime.fromisoformat("2026-03-01T12:00:00+00:00"))
    '7ea53b638b3f'
    """
    facts = f"{service}\n{signal}\n{started_at.timestamp():.6f}"
    return blake2b(facts.encode(), digest_size=6).hexdigest()


def incident_of(miss: Miss) -> Incident:
    """The incident that tells of a miss; over from its beginning."""
    told = f"{miss.by} reported it" + (f": {miss.note}" if miss.note else "")
    return Incident(
        id=miss.id,
        status="resolved",
        detected_at=miss.reported_at,
        started_at=miss.started_at,
        ended_at=miss.ended_at,
        series=[Series("destination", ANY, miss.service, miss.signal)],
        errors=miss.failed,
        requests=miss.requests,
        expected=0.0,
        upper=0.0,
        attribution=Attribution(
            cause=miss.cause,
            window=None,
            confidence=1.0,
            evidence=["No incident was raised on this service while the fault lasted", told],
            against=[],
        ),
        signature=MISSED,
        severity="warning",  # of whatever size: it says that Pushwake cannot be relied on
        shares={miss.service: Share(miss.failed, miss.requests, 0.0)},
    )
