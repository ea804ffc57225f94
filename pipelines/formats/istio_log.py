r"""The head that every line of Istio's own loggers shares, whatever wrote the rest.

istiod, pilot-agent and (since 1.6) Envoy inside istio-proxy print ``time level [scope] message``
with tabs between; copies in tickets and some shippers turn the tabs into spaces or a literal
``\t``. With ``--log_as_json`` the same four become keys, under Stackdriver's names for some.
client-go prints klog lines among them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

HEAD_SEARCH = 1024
"""A head further into the line than this is part of some other text."""

_TAB = r"(?:\t|\\t|[ ]+)"
_HEAD = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d))"
    rf"{_TAB}(?P<level>debug|info|warning|warn|error|fatal|critical|trace){_TAB}"
)
_LEFT_OUT = r"(?:(?:<\w{1,16}>|\[?(?:\.\.\.|…)\]?)[ \t]+)?"
_CUT_HEAD = re.compile(
    _LEFT_OUT + r"(?:[\dT:.-]{0,26}Z(?:\t|\\t|[ ]+))?"
    r"(?P<level>debug|info|warning|warn|error|fatal)(?:\t|\\t|[ ]{2,})(?=\w)"
)
_CUT_LEVEL = re.compile(_LEFT_OUT + r"(?P<scope>ads|delta|kube|klog|model)(?:\t|\\t|[ ]{2,})(?=\w)")
_KLOG = re.compile(r"^(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ (?P<file>[\w.-]+:\d+)\] ")
_SEPARATOR = re.compile(r"\t|\\t|[ ]{2,}")
_SCOPE = re.compile(r"(?:envoy [\w.-]+(?: \S+:\d+)?|[A-Za-z][\w.-]{0,31})")
_LABELS = re.compile(r"[\w.]+=\S.*")
_JSON_KEY = re.compile(r'"(level|time|scope|msg)":"((?:[^"\\]|\\.)*)')
_MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_KLOG_LEVELS = {"I": "info", "W": "warn", "E": "error", "F": "fatal"}
_SEVERITIES = {"warning": "warn", "critical": "fatal", "alert": "fatal", "emergency": "fatal"}
_SINGLE_SPACE_SCOPES = frozenset(
    {
        "ads",
        "authorization",
        "cache",
        "citadelclient",
        "delta",
        "healthcheck",
        "klog",
        "kube",
        "pkica",
        "proxyagent",
        "rootcertrotator",
        "sds",
        "secretcontroller",
        "secretfetcher",
        "securityagent",
        "serverca",
        "validation",
        "validationController",
        "validationServer",
        "xdsproxy",
    }
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of an Istio logger; ``message`` is without scope and labels."""

    time: datetime | None
    level: str | None
    scope: str | None
    message: str
    labels: dict[str, str] = field(default_factory=dict)


def split(line: str) -> LogLine | None:
    """Take a line apart, or None when it has no such head.

    The head may stand behind a prefix (``kubectl --timestamps``, stern, the remains of an
    envelope). A line whose time was cut off but whose level or scope is there is accepted.
    """
    if line.startswith("{"):
        return _from_json(line)
    if "\\u0009" in line:  # a JSON string, copied without its quotes
        line = line.replace("\\u0009", "\t").replace('\\"', '"')
    head = _HEAD.search(line, 0, HEAD_SEARCH)
    if head:
        level, rest = head["level"], line[head.end() :]
        return _text(parse_time(head["time"]), level, rest)
    klog = _KLOG.match(line)
    if klog:
        return LogLine(None, _KLOG_LEVELS[klog["level"]], "klog", line[klog.end() :].rstrip())
    cut = _CUT_HEAD.match(line)
    if cut:
        return _text(None, cut["level"], line[cut.end() :])
    cut = _CUT_LEVEL.match(line)
    if cut:
        return LogLine(None, None, cut["scope"], line[cut.end() :].rstrip())
    return None


def of_document(document: dict[str, Any]) -> LogLine | None:
    """The same from a JSON log record, plain or with Stackdriver's key names.

    Any program may log ``level`` and ``msg``, so a record without a scope must carry Istio's
    time format (microseconds and Z) to count.
    """
    stackdriver = "severity" in document and "message" in document
    level = document.get("severity" if stackdriver else "level")
    message = document.get("message" if stackdriver else "msg")
    scope = document.get("logger" if stackdriver else "scope")
    stamp = document.get("timestamp" if stackdriver else "time")
    if not isinstance(level, str) or not isinstance(message, str) or not isinstance(stamp, str):
        return None
    if not isinstance(scope, str) and not _MICROSECONDS.fullmatch(stamp):
        return None
    level = level.lower()
    labels = {
        key: str(value)
        for key, value in document.items()
        if isinstance(value, str | int) and key in {"id", "caller", "error", "connection"}
    }
    return LogLine(
        time=parse_time(stamp),
        level=_SEVERITIES.get(level, level) if stackdriver else level,
        scope=scope if isinstance(scope, str) else None,
        message=message.rstrip(),
        labels=labels,
    )


def parse_time(text: str) -> datetime | None:
    """RFC 3339 to UTC; finer than microseconds is cut; None when it is no date."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _text(time: datetime | None, level: str, rest: str) -> LogLine:
    scope: str | None = None
    rest = rest.rstrip().removesuffix("\\n").rstrip("\\`").strip()
    parted = _SEPARATOR.split(rest, maxsplit=1)
    first = parted[0]
    if len(parted) == 2 and _SCOPE.fullmatch(first) and not _LABELS.fullmatch(parted[1]):
        scope, rest = first, parted[1]
    else:
        word, _, behind = rest.partition(" ")
        if word in _SINGLE_SPACE_SCOPES and behind:
            scope, rest = word, behind
    message, labels = _without_labels(rest)
    return LogLine(time, level, scope, message, labels)


def _without_labels(rest: str) -> tuple[str, dict[str, str]]:
    message, tab, tail = rest.rpartition("\t")
    if not tab or not _LABELS.fullmatch(tail):
        return rest, {}
    pairs = (word.partition("=") for word in tail.split() if "=" in word)
    return message, {key: value for key, _, value in pairs}


def _from_json(line: str) -> LogLine | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = _cut_json(line)
    return of_document(document) if isinstance(document, dict) else None


def _cut_json(line: str) -> dict[str, Any] | None:
    """The four keys of a JSON line that was cut at its end: values up to the cut."""
    found: dict[str, Any] = {}
    for match in _JSON_KEY.finditer(line[: 8 * HEAD_SEARCH]):
        try:
            found.setdefault(match[1], json.loads(f'"{match[2]}"'))
        except ValueError:
            found.setdefault(match[1], match[2])
    return found if {"level", "time", "msg"} <= found.keys() else None
