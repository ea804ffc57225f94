"""An incident, or a storm of them, as a message for Slack. Pure: facts in, blocks out.

From top to bottom: severity and status in words, the verdict with its numbers, cause with
confidence, blast radius, the best argument against, remedy, log lines, links. A reader who stops
anywhere has read what matters most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from detector.documents import IncidentDocument
from detector.incidents.severity import rank
from detector.notify import blocks
from detector.notify.blocks import Block, escaped
from detector.report import wording
from detector.report.phrases import clean, count, duration, percent, plural, some
from detector.timeline import Notice

NAMED = 10  # incidents listed in the message of a storm
EXEMPLARS = 2
NO_MATCH = "No known fault matches; the evidence on the incident's page is the place to start."


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: blocks, and the text for notifications and screen readers."""

    text: str
    blocks: list[Block]


def message(notice: Notice, base_url: str) -> Message:
    """One incident as it stands."""
    incident = notice.document
    body = [
        blocks.header(title(incident)),
        blocks.section(escaped(notice.verdict, blocks.SECTION)),
        blocks.fields(_facts(notice)),
        blocks.section(_cause(incident)),
        blocks.section(_remedy(incident)),
    ]
    if incident.exemplars:
        lines = [clean(line, 300) for line in incident.exemplars[:EXEMPLARS]]
        body.append(blocks.section(blocks.code(lines, 1_000)))
    return _finished(body, incident, notice.verdict, base_url)


def resolved(notice: Notice, base_url: str) -> Message:
    """The end of an incident, for receivers whose first message cannot be edited."""
    incident = notice.document
    words = f"{_lasted(incident)}. {notice.verdict}"
    body = [
        blocks.header(title(incident)),
        blocks.section(escaped(words, blocks.SECTION)),
    ]
    return _finished(body, incident, words, base_url)


def details(notice: Notice) -> Message:
    """Evidence for and against, for the thread below a message."""
    told = notice.document.attribution
    body = []
    for heading, points in (("Evidence", told.evidence), ("Against", told.against)):
        lines = "\n".join(f"• {escaped(clean(point, 400), 450)}" for point in points[:6])
        body.append(blocks.section(f"*{heading}*\n{lines or 'none'}"))
    text = f"Evidence: {some(told.evidence, 3) or 'none'}"
    return Message(escaped(text, blocks.FALLBACK), blocks.fitting(body))


def storm(notices: Sequence[Notice], base_url: str) -> Message:
    """Many incidents at once: how many, how bad, why, and the worst of them by name."""
    worst = sorted(notices, key=lambda one: (-rank(one.document.severity), -one.document.excess))
    live = sum(one.document.status != "resolved" for one in notices)
    ended = "all are over" if live == 0 else f"{live:,} still going on"
    top = worst[0].document.severity
    summary = f"{plural(len(notices), 'incident')} at once, {ended}"
    causes = Counter(one.document.attribution.cause for one in notices)
    told = ", ".join(f"{n:,} {wording.CAUSES[cause]}" for cause, n in causes.most_common())
    severities = Counter(one.document.severity for one in notices)
    bad = ", ".join(f"{severities[s]:,} {s}" for s in ("critical", "warning", "info"))
    body = [
        blocks.header(f"{top.capitalize()}: {summary}"),
        blocks.section(f"*By severity:* {bad}\n*By cause:* {told}"),
        *(blocks.section(_line(one, base_url)) for one in worst[:NAMED]),
    ]
    rest = len(notices) - NAMED
    if rest > 0:
        more = f"+{rest:,} more"
        where = blocks.link(f"{base_url}/incidents", more) if base_url else more
        body.append(blocks.section(where))
    text = f"[{top}] {summary}; {told}"
    return Message(
        escaped(text, blocks.FALLBACK), blocks.fitting([*body, blocks.context("Pushwake, storm")])
    )


def noted(message: Message, words: str) -> Message:
    """The message with small print at its end."""
    return Message(message.text, [*message.blocks, blocks.context(words)])


def title(incident: IncidentDocument) -> str:
    """Severity, status, and what fails where, in words."""
    hit = [wording.service(host) for host in incident.services]
    what = some([clean(name, 24) for name in incident.signals], 3) or "errors"
    status = wording.STATUSES[incident.status]
    return f"{incident.severity.capitalize()}, {status}: {what} on {some(hit, 2) or 'the mesh'}"


def caption(incident: IncidentDocument) -> str:
    """Title of the chart in the thread, which is also read to those who cannot see it."""
    hit = some([wording.service(host) for host in incident.services], 2) or "the mesh"
    errors = f"{count(incident.observed.errors)} of {count(incident.observed.requests)} failed"
    return f"Errors on {hit} over time against the expected band: {errors}"


def _finished(
    body: list[Block], incident: IncidentDocument, verdict: str, base_url: str
) -> Message:
    tail = [blocks.context(f"Pushwake incident {clean(incident.id, 40)}")]
    if base_url:
        tail.insert(0, blocks.section(_links(incident, base_url)))
    text = f"[{incident.severity}, {wording.STATUSES[incident.status]}] {verdict}"
    return Message(escaped(text, blocks.FALLBACK), blocks.fitting([*body, *tail], last=len(tail)))


def _facts(notice: Notice) -> list[tuple[str, str]]:
    incident, reach = notice.document, notice.reach
    told = incident.attribution
    sure = f"{notice.cause} ({percent(told.confidence)} sure)"
    radius = f"{plural(reach.services, 'service')}, {plural(reach.sources, 'caller')}"
    if reach.expected or reach.reconciled:
        fleet = max(reach.expected, reach.reconciled)
        radius += f"; {reach.reconciled:,} of {fleet:,} proxies reconciled"
    if reach.refused:
        radius += f", {reach.refused:,} refused"
    named = some([wording.service(host) for host in incident.services], 5)
    facts = [("Likely cause", sure), ("Blast radius", radius), ("Services", named or "unknown")]
    if incident.sources:
        facts.append(("Callers", some([wording.source(name) for name in incident.sources], 5)))
    return [*facts, ("Since", _moment(incident.started_at)), ("Length", _lasted(incident))]


def _cause(incident: IncidentDocument) -> str:
    against = incident.attribution.against
    best = clean(against[0], 600) if against else "nothing found"
    return f"*Best argument against:* {escaped(best, 1_200)}"


def _remedy(incident: IncidentDocument) -> str:
    fault = incident.signature
    if fault is None:
        return NO_MATCH
    text = f"{clean(fault.title, 300)}. {clean(fault.advice, 1_500)}"
    return f"*Known fault and remedy:* {escaped(text, 2_000)}"


def _links(incident: IncidentDocument, base_url: str) -> str:
    page = f"{base_url}/incidents/{incident.id}"
    named = (("Incident", ""), ("Silence", "#silence"), ("True, false or expected?", "#feedback"))
    return " · ".join(blocks.link(page + part, label) for label, part in named)


def _line(notice: Notice, base_url: str) -> str:
    incident = notice.document
    errors = f"{count(incident.observed.errors)} of {count(incident.observed.requests)} failed"
    told = escaped(f"{title(incident)} ({errors}); {notice.cause}", 600)
    if not base_url:
        return f"• {told}"
    return f"• {told} {blocks.link(f'{base_url}/incidents/{incident.id}', 'open')}"


def _lasted(incident: IncidentDocument) -> str:
    if incident.ended_at is None:
        return "Not over yet"
    return f"Lasted {duration(incident.ended_at - incident.started_at)}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
