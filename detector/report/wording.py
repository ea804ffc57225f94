"""How the detector speaks of incidents and windows: one wording for terminal, page and messages.

Everything here returns plain text. Names that come from logs pass through ``clean``; HTML is
escaped by the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from detector.engine.series import SILENT
from detector.missed import MISSED
from detector.report.phrases import clean, clock, count, duration, percent, plural, some
from detector.types import Attribution, Cause, Incident, Status, Window, WindowKind

FLAGS: dict[str, str] = {
    "DC": "client disconnected",
    "DF": "DNS failure",
    "DPE": "client broke the protocol",
    "DR": "client disconnected",
    "DT": "time limit reached",
    "FI": "fault injected",
    "IH": "invalid header",
    "LH": "failed health check",
    "LR": "local reset",
    "NC": "no such cluster",
    "NFCF": "no filter configuration",
    "NR": "no route",
    "OM": "overload manager",
    "RL": "rate limited",
    "RLSE": "rate limiter failed",
    "SI": "stream idle timeout",
    "UAEX": "denied by external authorisation",
    "UC": "upstream closed the connection",
    "UF": "upstream connection failed",
    "UH": "no healthy upstream",
    "UMSDR": "time limit reached",
    "UO": "circuit breaker open",
    "UPE": "upstream broke the protocol",
    "UR": "upstream reset",
    "URX": "retries used up",
    "UT": "upstream timeout",
    SILENT: "no request is heard any more",
}
"""Envoy's response flags (access log docs, RESPONSE_FLAGS) in two or three words, and our own."""

PHRASES: dict[str, str] = {str(int(s)): s.phrase.lower() for s in HTTPStatus if s >= 400}

KINDS: dict[WindowKind, str] = {
    "upgrade": "istiod upgrade",
    "revision": "move to another revision",
    "restart": "istiod restart",
    "push": "full push",
    "push-storm": "push storm",
    "reconnect-storm": "reconnect storm",
    "nack": "refused push (NACK)",
    "rotation": "certificate rotation",
    "sidecar-rollout": "sidecar rollout",
    "manual": "declared window",
}

CAUSES: dict[Cause, str] = {
    "control-plane": "control plane",
    "workload": "workload",
    "client": "client",
    "unknown": "unknown",
}

STATUSES: dict[Status, str] = {
    "open": "open",
    "worsening": "getting worse",
    "recovering": "recovering",
    "resolved": "over",
}


def service(host: str) -> str:
    """A service host without the cluster's domain: ``cart.default``."""
    return "any service" if host == "*" else clean(host.partition(".svc.")[0])


def source(workload: str) -> str:
    """A calling workload: ``frontend.default``."""
    return "any caller" if workload == "*" else clean(workload)


def signal(name: str) -> str:
    """A signal with its meaning: ``NC (no such cluster)``, ``503 (service unavailable)``."""
    if name in FLAGS:
        return f"{name} ({FLAGS[name]})"
    phrase = PHRASES.get(name)
    if phrase:
        return f"{name} ({phrase})"
    return clean(name, 24)


def _distinct(names: Iterable[str]) -> list[str]:
    """Each name once, in order; the aggregate ``*`` only when nothing else is known."""
    unique = list(dict.fromkeys(names))
    return [name for name in unique if name != "*"] or unique


def services(incident: Incident) -> list[str]:
    """The services hit, largest excess first."""
    return [service(host) for host in _distinct(s.destination for s in incident.series)]


def sources(incident: Incident) -> list[str]:
    """The calling workloads, largest excess first."""
    return [source(name) for name in _distinct(s.source for s in incident.series)]


def signals(incident: Incident) -> list[str]:
    """The signals' bare names, largest excess first."""
    return [clean(name, 24) for name in _distinct(s.signal for s in incident.series)]


def window(window: Window) -> str:
    """A reconciliation window in words: ``istiod upgrade 1.26.4 → 1.27.1``."""
    versions = [clean(v, 24) for v in (window.from_version, window.to_version) if v]
    name = KINDS[window.kind]
    return f"{name} {' → '.join(dict.fromkeys(versions))}" if versions else name


def proxies(window: Window) -> str:
    """How many proxies took on the new configuration, and how many refused it."""
    done = len(window.reconciled)
    if not done and not window.expected:
        return "no proxy is known to have reconciled"
    text = f"{done:,} of {max(window.expected, done):,} proxies reconciled"
    return f"{text}, {window.failed:,} refused" if window.failed else text


def lasted(incident: Incident) -> str:
    """How long an incident lasted, or that it goes on."""
    if incident.ended_at is None:
        return "not over yet"
    return duration(incident.ended_at - incident.started_at)


def because(attribution: Attribution) -> str:
    """The cause as the end of a sentence."""
    cause, at = attribution.cause, attribution.window
    if cause == "control-plane":
        return f"this follows the {window(at)}" if at else "this points to the control plane"
    if cause == "workload":
        return "this points to the workload itself, not to the control plane"
    return "this comes from the clients" if cause == "client" else "the cause is unknown"


def failed(incident: Incident) -> str:
    """How many of how many requests failed, or are missing."""
    errors = count(incident.errors)
    if set(signals(incident)) == {SILENT}:
        return f"about {errors} requests are missing"
    if incident.requests <= 0:
        return f"{errors} errors"
    share = percent(min(1.0, incident.errors / incident.requests))
    return f"{errors} of {count(incident.requests)} requests failed ({share})"


def tell(incident: Incident) -> str:
    """The one-sentence verdict on an incident, with its numbers."""
    named = signals(incident)
    what = signal(named[0]) if len(named) == 1 else some(named, 3)
    since = f"from {clock(incident.started_at)} UTC"
    length = (
        f"{since}, not over yet" if incident.ended_at is None else f"{since} for {lasted(incident)}"
    )
    excess = f" where {count(incident.expected)} were expected, {count(incident.excess)} too many"
    excess = "" if named == [SILENT] else excess
    sure = percent(incident.attribution.confidence)
    fault = incident.signature
    missed = "Pushwake missed this: " if fault and fault.id == MISSED.id else ""
    return (
        f"{missed}{what} on {some(services(incident), 4)}: {failed(incident)}{excess}, "
        f"{length}; {because(incident.attribution)} (confidence {sure})."
    )


def gist(incident: Incident) -> str:
    """An incident in a clause: what, where, and what it followed."""
    hit = services(incident)
    where = hit[0] if len(hit) == 1 else plural(len(hit), "service")
    what = f"{some(signals(incident), 3)} on {where}"
    cause, at = incident.attribution.cause, incident.attribution.window
    if cause == "control-plane" and at:
        return f"{what} followed the {window(at)}; {proxies(at)}"
    ends: dict[Cause, str] = {
        "control-plane": "points to the control plane",
        "workload": "came from the workload itself, not from the control plane",
        "client": "came from the clients",
        "unknown": "has no known cause",
    }
    return f"{what} {ends[cause]}"


def headline(incidents: Sequence[Incident], windows: Sequence[Window], entries: int) -> str:
    """What a whole period came to, in one or two sentences.

    Args:
        incidents: all of the period's incidents.
        windows: all of its reconciliation windows.
        entries: how many access log entries were judged; 0 means that nothing can be said.
    """
    if not incidents:
        if entries <= 0:
            return "Nothing to judge: no access log entry was read."
        passed = plural(len(windows), "reconciliation window")
        quiet = f" {passed} passed without harm." if windows else ""
        return f"The mesh was fine: no incident.{quiet}"
    if len(incidents) == 1:
        return f"1 incident: {gist(incidents[0])}."
    causes = Counter(incident.attribution.cause for incident in incidents)
    tally: dict[Cause, str] = {
        "control-plane": "{} followed the control plane",
        "workload": "{} came from a workload",
        "client": "{} came from clients",
        "unknown": "{} without a known cause",
    }
    told = ", ".join(text.format(causes[c]) for c, text in tally.items() if causes[c])
    worst = max(incidents, key=lambda incident: incident.excess)
    return f"{len(incidents):,} incidents: {told}. The largest: {gist(worst)}."
