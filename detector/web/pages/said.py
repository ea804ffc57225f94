"""What people said of an incident, and what its forms need to say more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from detector.documents import IncidentDocument
from detector.silencing import Silence, silencers
from detector.store.audit import find_entries
from detector.store.feedback import Acknowledgement, Feedback, acknowledgements_of, feedback_of
from detector.store.shared import Connection
from detector.store.silences import standing_silences
from detector.store.tokens import allowed
from detector.web import answers
from detector.web.access import LOCAL, principal_of
from detector.web.silences import shown

MOST = 50  # patterns in a field of a matcher, as of `detector.silencing`


@dataclass(frozen=True, slots=True)
class Said:
    """What people said of an incident; each with the tag under which REST would give it."""

    acknowledgement: Acknowledgement | None
    acknowledged: str  # tag
    feedback: Feedback | None
    judged: str  # tag
    silences: list[tuple[Silence, str]]  # that hold it back now
    seen: int  # the last change that anybody made
    may_write: bool
    owner: str  # of a silence to come, as far as known
    services: list[str]  # patterns that mean the incident
    signals: list[str]


def said_of(
    request: Request, connection: Connection, document: IncidentDocument, now: datetime
) -> Said:
    """What stands now."""
    acknowledgement = acknowledgements_of(connection, [document.id]).get(document.id)
    feedback = feedback_of(connection, [document.id]).get(document.id)
    holding = silencers(standing_silences(connection, now), document, now)
    who, last = principal_of(request), find_entries(connection, limit=1)
    return Said(
        acknowledgement=acknowledgement,
        acknowledged=answers.tag(acknowledgement) if acknowledgement else "",
        feedback=feedback,
        judged=answers.tag(feedback) if feedback else "",
        silences=[(one, answers.tag(shown(one, now))) for one in holding],
        seen=last[0].id if last else 0,
        may_write=who.scope is not None and allowed(who.scope, "write"),
        owner="" if who == LOCAL else who.name,
        services=_patterns(document.services),
        signals=_patterns(document.signals),
    )


def _patterns(names: list[str]) -> list[str]:
    r"""Patterns that fit these names; none, and so any name, when they are too many.

    >>> _patterns(["cart.shop", "[::1]", "steering\x1b"])
    ['cart.shop', '?::1?', 'steering?']
    """
    if len(names) > MOST:
        return []
    return ["".join("?" if _is_special(one) else one for one in name) for name in names]


def _is_special(character: str) -> bool:
    """Whether it means something in a pattern or in a form, or cannot be seen."""
    return character in "[]*" or character.isspace() or not character.isprintable()
