"""Makes the notice of an incident: everything a message needs, as of now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from detector import documents
from detector.documents import IncidentDocument
from detector.report import wording
from detector.timeline.entries import TOLD, Entry, EntryKind, Notice, Reach
from detector.types import Incident


def notice(incident: Incident, kind: EntryKind) -> Notice:
    """What is told of ``incident`` after a change of ``kind``."""
    document = documents.document(incident)
    window = incident.attribution.window
    return Notice(
        kind=kind,
        verdict=wording.tell(incident),
        cause=wording.because(incident.attribution),
        reach=Reach(
            services=len(document.services),
            sources=len(document.sources),
            reconciled=len(window.reconciled) if window else 0,
            expected=window.expected if window else 0,
            refused=window.failed if window else 0,
        ),
        document=document,
    )


def notices(
    entries: Iterable[Entry],
    incidents: Sequence[Incident],
    *,
    told: Callable[[Collection[str]], Collection[str]],
    held: Callable[[IncidentDocument], bool],
) -> list[Notice]:
    """What is to be told of incidents now: news in the order of their entries, then the untold.

    Of several entries of one incident the opening gives the kind, otherwise the last one. An
    incident that goes on and was never told (people had silenced it, or the worker was still
    learning from the past) is told as if it opened now; one that was never told and has ended is
    not told at all. What is held back is told its end only, to those who know its beginning.

    Args:
        entries: since the last call.
        incidents: all that are remembered.
        told: which of the incidents of these ids a notice was made of before.
        held: whether nobody wants to hear of an incident.
    """
    kinds: dict[str, EntryKind] = {}
    for entry in entries:
        if entry.kind in TOLD and kinds.get(entry.incident_id) != "opened":
            kinds[entry.incident_id] = entry.kind
    by_id = {incident.id: incident for incident in incidents}
    live = [one.id for one in incidents if one.status != "resolved"]
    asked = [one for one in dict.fromkeys([*kinds, *live]) if one in by_id]
    known = told(asked) if asked else ()
    made = [_made(by_id[one], kinds.get(one), one in known, held) for one in asked]
    return [one for one in made if one is not None]


def _made(
    incident: Incident,
    kind: EntryKind | None,
    told: bool,
    held: Callable[[IncidentDocument], bool],
) -> Notice | None:
    ended = incident.status == "resolved"
    if not told and kind != "opened":
        kind = None if ended else "opened"
    if kind is None or (held(documents.document(incident)) and not (told and ended)):
        return None
    return notice(incident, kind)
