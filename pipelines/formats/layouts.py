"""Whole access log lines in Envoy's and Istio's default text layouts.

All of them are ``[TIME] "METHOD PATH PROTOCOL" CODE FLAGS``, then a middle that tells the
layout, four numbers, four quoted request headers, and an end. Envoy escapes nothing, so a path
or a user agent may hold quotes, spaces and whole forged lines. Therefore a line is read from
both ends: numbers and addresses cannot hold spaces, and what is left between them are the
headers. Every pattern is anchored and linear; no input makes them backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pipelines.formats.parts import put_details, put_headers, put_request
from pipelines.formats.values import (
    FLAGS,
    TIMESTAMP,
    Reading,
    is_address_list,
    is_request_id,
    put,
    put_time,
)

_WORD = r"(?:(?!INFO|DEBUG|WARN|ERROR)[A-Za-z0-9][\w.-]{0,62} )?"  # Kuma prints the mesh here
_TIME = re.compile(rf'\[({TIMESTAMP})\] {_WORD}"')
_OTHER_TIME = re.compile(r'\[([^\]"\n]{6,48})\] "')
_STATUS = re.compile(rf'" ([0-9]{{1,3}}) ({FLAGS}) ')

_NUMBERS = (
    r"(?P<bytes_received>[0-9]{1,19}) (?P<bytes_sent>[0-9]{1,19}) "
    r'(?P<duration_ms>[0-9]{1,19}|-) (?P<upstream_service_time_ms>[0-9]{1,19}|-) "'
)
_REASON = r'"(?P<upstream_transport_failure_reason>[^"]*)" '
_MIXER = r'"(?P<mixer>[^"]*|"[^"]*"|\\"[^"]*\\")" '
_QUOTED_DETAILS = re.compile(r"[a-z][a-z0-9]*_[a-z0-9_.]*(?:[{\[(].*[}\])])?")
_BARE = re.compile(_NUMBERS)
_ONE_QUOTED = re.compile(_REASON + _NUMBERS)
_TWO_QUOTED = re.compile(_MIXER + _REASON + _NUMBERS)
_DETAILS = re.compile(r'(?P<details>[^" ][^"]*) ' + _REASON + _NUMBERS)
_DETAILS_ALONE = re.compile(r'(?P<details>[^" ]+) ' + _NUMBERS)  # Envoy's, with one field added

_ADDRESS = r'(?:-|[^\s"]+:[0-9]{1,5}|[^\s"]*/[^\s"]*)'
_END = re.compile(
    r'"(?P<upstream_host>[^" ]*)" (?P<upstream_cluster>[^" ]+)'
    rf" (?P<upstream_local_address>{_ADDRESS})"
    rf" (?P<downstream_local_address>{_ADDRESS})"
    rf" (?P<downstream_remote_address>{_ADDRESS})"
    r'(?: (?P<requested_server_name>[^" ]+))?(?: (?P<route_name>[^" ]+))?(?P<rest> .*)?$',
    re.DOTALL,
)
_REDACTED_END = re.compile(
    r'"(?P<upstream_host>[^" ]*)" (?P<upstream_cluster>[^" ]+)'
    r' (?P<upstream_local_address>[^" ]+) (?P<downstream_local_address>[^" ]+)'
    r' (?P<downstream_remote_address>[^" ]+) (?P<requested_server_name>[^" ]+)'
    r'(?: (?P<route_name>[^" ]+))?$'
)
_ENVOY_END = re.compile(r'"(?P<upstream_host>[^" ]*)"$')
_LAST = ("downstream_remote_address", "requested_server_name", "route_name")
_CANDIDATES = 16  # a forged line may offer many places where the status could stand


@dataclass(slots=True)
class Head:
    """The start of a line: where its status ends, and what was read up to there."""

    reading: Reading
    end: int


def find_time(line: str, start: int = 0) -> re.Match[str] | None:
    """The next place where an entry begins: ``[TIME] "``."""
    return _TIME.search(line, start)


def find_other_time(line: str) -> re.Match[str] | None:
    """The first place where an entry with a time of the mesh's own format can begin."""
    return _OTHER_TIME.search(line)


def heads(line: str, start: int) -> Iterator[Head]:
    """The ways to read the request and the status of an entry whose request begins at ``start``.

    The leftmost is the likeliest: HTTP allows neither a space nor a quote in a path, but both
    in a user agent.
    """
    for status in islice(_STATUS.finditer(line, max(0, start - 1)), _CANDIDATES):
        reading = Reading("", {})
        put_request(reading, line[start : status.start()])
        put(reading, "response_code", status.group(1))
        put(reading, "response_flags", status.group(2))
        yield Head(reading, status.end())


def read_whole(line: str) -> Reading | None:
    """Read one entry that begins with its time, or None when its layout is not a default one.

    The line may end with fields of a custom format's own.
    """
    begin = _TIME.match(line)
    if begin is None:
        return None
    reading = read_untimed(line, begin.end())
    if reading is not None:
        put_time(reading, begin.group(1))
    return reading


def read_untimed(line: str, start: int) -> Reading | None:
    """Read an entry from its request on; ``start`` is the place after the request's quote."""
    end = _find_end(line)
    if end is None:
        return None
    fallback = None
    for head in heads(line, start):
        if head.end > end.start():
            break
        middle = _match_middle(line, head.end)
        if middle is None or middle.end() >= end.start():
            continue
        headers = line[middle.end() : end.start() - 2].split('" "')
        if _assemble(head.reading, middle, headers, end):
            if "protocol" in head.reading.fields:
                return head.reading
            fallback = fallback or head.reading  # its request lacks a part: look on
    return fallback


def _find_end(line: str) -> re.Match[str] | None:
    """The rightmost place where the fields after the headers can begin."""
    at = line.rfind('" "')
    if at >= 0 and (found := _ENVOY_END.match(line, at + 2)):
        return found
    last = at
    while at >= 0:
        if found := _END.match(line, at + 2):
            return found
        at = line.rfind('" "', 0, at + 2)
    return _REDACTED_END.match(line, last + 2) if last >= 0 else None


def _match_middle(line: str, at: int) -> re.Match[str] | None:
    """What stands between the flags and the headers; ``lastgroup`` patterns tell the layout."""
    patterns = (
        (_ONE_QUOTED, _TWO_QUOTED)
        if line.startswith('"', at)
        else (_BARE, _DETAILS, _DETAILS_ALONE)
    )
    for pattern in patterns:
        if found := pattern.match(line, at):
            return found
    return None


def _assemble(
    reading: Reading, middle: re.Match[str], headers: list[str], end: re.Match[str]
) -> bool:
    """Fill in the rest of a reading; False when the parts do not make an entry."""
    printed = end.groupdict()
    rest = (printed.pop("rest", None) or "").strip()
    if middle.re not in (_BARE, _DETAILS_ALONE) and end.re is _ENVOY_END:
        return False  # an Istio line that was cut after the host
    name = _layout(middle, printed)
    stripped = not headers[0] and not any('"' in header for header in headers)
    if name == "envoy-text" and not stripped and not is_address_list(headers[0]):
        return False  # five quoted strings of a format of its own
    extended = put_headers(reading, headers)
    if extended is None:
        return False
    for field, value in (middle.groupdict() | printed).items():
        if field == "details" and middle.re is _DETAILS:
            put_details(reading, value)
        elif field == "details":
            put(reading, "response_code_details", value)
        elif value is not None and field != "mixer":
            put(reading, field, value)
    if _unquote_details(reading, middle):
        name = "custom-text"
    if name == "istio-text-1.1":
        del reading.fields["upstream_transport_failure_reason"]  # it was the mixer status
    _doubt_last(reading, name)
    if rest:
        reading.extra["rest"] = rest
    reading.format = "custom-text" if rest or extended else name
    return True


def _unquote_details(reading: Reading, middle: re.Match[str]) -> bool:
    """Take response code details that a mesh prints in quotes for what they are.

    They stand where the defaults print the Mixer status or the transport failure reason, which
    look different. What the other quoted string is, only the format string can tell.
    """
    for field in ("mixer", "upstream_transport_failure_reason"):
        value = middle.groupdict().get(field)
        if value is not None and _QUOTED_DETAILS.fullmatch(value):
            put(reading, "response_code_details", value)
            reading.fields.pop("upstream_transport_failure_reason", None)
            reading.partial = True
            return True
    return False


def _doubt_last(reading: Reading, name: str) -> None:
    """Leave out the last value of a line that was cut inside it, as far as its place tells."""
    present = [field for field in _LAST if field in reading.fields]
    routed = name in ("istio-text-1.3", "istio-text-1.8", "istio-text-1.9")
    if not present or name == "custom-text":
        return
    if len(present) < (3 if routed else 2):
        reading.partial = True
        if reading.fields[present[-1]] is not None:
            del reading.fields[present[-1]]
    elif not routed and _is_start_of_name(reading.fields["requested_server_name"]):
        reading.partial = True
        del reading.fields["requested_server_name"]
    elif routed and _is_start_of_generated(reading.fields["route_name"]):
        reading.partial = True
        del reading.fields["route_name"]


def _is_start_of_generated(route: str | None) -> bool:
    """Whether a route's name is the beginning of one that Istio gives, and no other is likely."""
    return route is not None and any(
        name.startswith(route) and name != route for name in ("default", "allow_any", "block_all")
    )


def _is_start_of_name(name: str | None) -> bool:
    """Whether a server name that Istio gives ends inside the domain of a service."""
    if name is None or not name.startswith("outbound_."):
        return False
    domain = name.rpartition(".svc")[2]
    return domain != ".cluster.local" and ".cluster.local".startswith(domain)


def _layout(middle: re.Match[str], end: dict[str, str | None]) -> str:
    """The name of a layout, by its shape."""
    routed = end.get("route_name") is not None
    if middle.re is _DETAILS:
        return "istio-text-1.9"
    if middle.re is _DETAILS_ALONE:
        return "custom-text"
    if middle.re is _TWO_QUOTED:
        return "istio-text-1.3" if routed else "istio-text-1.2"
    if middle.re is _ONE_QUOTED:
        return "istio-text-1.8" if routed else "istio-text-1.1"
    return "custom-text" if "upstream_cluster" in end else "envoy-text"


def read_end(line: str) -> Reading | None:
    """Read the end of a default Istio line whose start is lost, from the right.

    None when the line does not end as such a line does: with a host, a cluster, three
    addresses of which the proxy's own is known, a server name and a route.
    """
    end = _find_end(line)
    if end is None or end.re is not _END or end["rest"] or end["route_name"] is None:
        return None
    if ":" not in end["downstream_local_address"]:
        return None
    reading = Reading("istio-text", {}, partial=True)
    for field, value in end.groupdict().items():
        if field != "rest":
            put(reading, field, value)
    if _is_start_of_generated(reading.fields["route_name"]):
        del reading.fields["route_name"]
    parts = line[: end.start() - 2].split('" "')
    if len(parts) > 2 and is_request_id(parts[-2]):
        put(reading, "authority", parts[-1])
        put(reading, "request_id", parts[-2])
    return reading
