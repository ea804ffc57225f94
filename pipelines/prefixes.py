"""Text in front of a line: the container runtime's framing, and what terminal tools print.

A prefix that could be part of the line itself is taken off only when what follows begins as a
line of Envoy, pilot-agent or istiod does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pipelines.identity import NOBODY, Identity, describe, from_path
from pipelines.record import read_time

_TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_LEVEL = r"(?:trace|debug|info|warn|warning|error|critical|fatal|none)\b"
_LINE = (
    r"(?:\[20\d\d[-–]\d\d[-–]\d\d[T ]\d\d:\d\d:\d\d"  # access log entry, Envoy's own log
    r"|\[Envoy \("  # Envoy's own log up to Istio 1.5
    rf"|{_TIME}[ \t]+{_LEVEL}"  # istiod, pilot-agent
    r'|\{ ?"'  # either, as JSON
    r'|time="20)'
)
_NAME = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"

_CRI = re.compile(rf"({_TIME}) (stdout|stderr) ([FP])(?::\S{{0,64}})?(?: |$)")
_KUBECTL_TIME = re.compile(rf"({_TIME}) (?={_LINE}|{_TIME} {_LINE})")
_KUBECTL_NANOS = re.compile(rf"(20\S{{17}}\.\d{{9}}Z) (?!\s*{_LEVEL})")
_POD = re.compile(rf"\[pod/({_NAME})/({_NAME})\] ")
_STERN = re.compile(rf"(?:({_NAME})/)?({_NAME})\[({_NAME})\]: ")
_KUBETAIL = re.compile(rf"\[({_NAME}) ({_NAME})\] (?={_LINE}|{_TIME} {_LINE})")
_STERN_NOTICE = re.compile(r"[+-] \S[^›\n]{0,600} › \S+")
_COMPOSE = re.compile(rf"[A-Za-z0-9][\w.-]{{0,252}}[ \t]+\|[ \t]+(?={_LINE}|{_TIME} )")
_WORD = rf"(?!{_LEVEL})[A-Za-z0-9/][\w./-]{{0,511}}"
_WORDS = re.compile(
    rf"({_WORD})(?::\d{{1,9}})?(?::[ \t]{{0,8}}|[ \t]{{1,40}})(?:({_WORD})[ \t]{{1,40}})?"
    rf"(?:({_WORD})[ \t]{{1,40}})?(?={_LINE}|{_TIME} {_LINE})"
)
_MARKS = re.compile(rf"[ \t>#*|`/;-]{{1,32}}(?={_LINE})")
_SYSLOG = re.compile(
    r"(?:<\d{1,3}>)?(?:"
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,255} \S{1,128}:"  # RFC 3164
    rf"|1 {_TIME}(?: \S{{1,255}}){{4}} (?:-|\[[^\]]{{0,1024}}\])"  # RFC 5424
    rf") (?={_LINE})"
)
_OTHERS = {_COMPOSE: "compose", _MARKS: "marks", _SYSLOG: "syslog"}
_STARTS = re.compile(_LINE)
_FULL_NAME = re.compile(_NAME)
_ANSI = re.compile(r"\x1b\[[0-9;]{0,16}m")


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix found: its length, the layer's name, and what it says."""

    length: int
    layer: str
    identity: Identity = NOBODY
    time: datetime | None = None
    output: str | None = None
    partial: bool | None = None
    """None when this layer does not cut lines into pieces."""


def uncoloured(text: str) -> str:
    """``text`` without terminal colours, which no proxy writes and some tools add."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def is_notice(text: str) -> bool:
    """Whether ``text`` is stern's own remark that a container came or went."""
    return text[:1] in "+-" and _STERN_NOTICE.fullmatch(text) is not None


def starts_like_a_line(text: str) -> bool:
    """Whether ``text`` begins as Envoy's, pilot-agent's or istiod's lines do."""
    return _STARTS.match(text) is not None


def begins(text: str) -> bool:
    """Whether a line, or a prefix before a line, begins here."""
    return starts_like_a_line(text) or find(text) is not None


def find(text: str) -> Prefix | None:
    """The outermost prefix of ``text``, or None when the line begins right here."""
    if (timed := _timed(text)) or _STARTS.match(text):
        return timed
    if match := _POD.match(text) or _KUBETAIL.match(text):
        return Prefix(match.end(), "stern", describe(pod=match[1], container=match[2]))
    if match := _STERN.match(text):
        who = describe(namespace=match[1], pod=match[2], container=match[3])
        return Prefix(match.end(), "stern", who)
    if match := _WORDS.match(text):
        return _words(match)
    match = next(filter(None, (pattern.match(text) for pattern in _OTHERS)), None)
    return match and Prefix(match.end(), _OTHERS[match.re])


def _timed(text: str) -> Prefix | None:
    """A time before the line: the runtime's framing, or ``kubectl logs --timestamps``."""
    if text[:2] != "20":
        return None
    if match := _CRI.match(text):
        time, output, tag = match.groups()
        return Prefix(match.end(), "cri", time=read_time(time), output=output, partial=tag == "P")
    match = _KUBECTL_TIME.match(text) or _KUBECTL_NANOS.match(text)
    if match is None:
        return None
    return Prefix(match.end(), "kubectl-timestamps", time=read_time(match[1]))


def _words(match: re.Match[str]) -> Prefix:
    """Words before a line: stern's ``[NAMESPACE ]POD CONTAINER``, grep's file, or any one."""
    words = [word for word in match.groups() if word]
    names = [word if _FULL_NAME.fullmatch(word) else None for word in words]
    if len(words) == 1 and words[0] != "istio-proxy":
        return Prefix(match.end(), "prefix", from_path(words[0]))
    container = names[-1]
    pod = names[-2] if len(names) > 1 else None
    namespace = names[-3] if len(names) > 2 else None
    return Prefix(match.end(), "stern", describe(pod=pod, namespace=namespace, container=container))
