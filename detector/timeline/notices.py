"""Makes the notice of an incident: everything a message needs, as of now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from detector import documents
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
    entries: Iterable[Entry], incidents: Sequence[Incident], untold: Collection[str] = ()
) -> list[Notice]:
    """One notice for every incident with an entry worth telling, in the order of the entries.

    Of several entries of one incident the opening gives the kind, otherwise the last one.

    Args:
        entries: what has changed.
        incidents: as they are now.
        untold: those that were kept silent; if one goes on, people hear of it as of a new one.
    """
    kinds: dict[str, EntryKind] = {}
    for entry in entries:
        if entry.kind in TOLD and kinds.get(entry.incident_id) != "opened":
            kinds[entry.incident_id] = entry.kind
    for one in incidents:
        if one.id in untold and one.status != "resolved":
            kinds[one.id] = "opened"
    by_id = {incident.id: incident for incident in incidents}
    return [notice(by_id[one], kind) for one, kind in kinds.items() if one in by_id]
