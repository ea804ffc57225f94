"""Access log lines that were cut: only what is certain is read.

A value is certain when the line goes on after it, when its own closing bracket or quote ends
it, or when it is ``-``, with which no value begins. A line cut at its start is read from the
first place that can be told: a whole request, a status, or the end of the default layouts.
"""

from __future__ import annotations

import re

from pipelines.formats.cursor import Cursor, is_balanced
from pipelines.formats.layouts import find_time, read_end, read_untimed
from pipelines.formats.operators import LONG_FLAGS
from pipelines.formats.parts import put_details, put_request
from pipelines.formats.values import (
    FLAGS,
    Reading,
    is_address_list,
    is_request_id,
    put,
    put_time,
)

_REQUEST = re.compile(
    r'[>#*| \t]{0,16}(?:(?:\[[0-9T:. -]{0,32}(?:\.\.|…)\]|\.\.\.|…)\s{0,4})?"?'
    r"(?=(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|REPORT) |- - )"
)
_STATUS = re.compile(rf'" ([0-9]{{3}}|0)(?:$| $| (-)$| ({FLAGS})(?= )| ({FLAGS})$)')
_FULL_STATUS = re.compile(rf'(?:^| )(HTTP/[0-9.]{{1,3}})?" ([0-9]{{3}}|0) ({FLAGS}) ')
_KNOWN_FLAG = "|".join(sorted(set(LONG_FLAGS.values()), reverse=True))
_BARE_STATUS = re.compile(rf"()([1-5][0-9]{{2}}) ((?:{_KNOWN_FLAG})(?:,(?:{_KNOWN_FLAG}))*) ")
_ELISION = re.compile(r"(?<= )(?:\.\.\.|…)(?= |$)")
_CLUSTER = re.compile(
    r'(?:(?:"([^" ]{1,300}+)" )?"([^" ]{1,300}+)" )?'
    r"((?:outbound|inbound)[a-z_-]{0,16}\|[^ \"]{0,400}+|PassthroughCluster|BlackHoleCluster) "
)
_ADDRESS = re.compile(r"-|\S*[:/]\S*|[0-9A-Fa-fxX*]{1,4}(?:\.[0-9A-Fa-fxX*]{1,4}){3}")
_SERVER_NAME = re.compile(r"(outbound_\.[0-9]{1,5}_\.[^ \"]{1,400}+) ")
_NUMBERED_DETAILS = re.compile(r'([a-z][^" ]*) (?=[0-9]+ [0-9]+ (?:[0-9]+|-) )')
_SHORT_ID = re.compile(r"[0-9A-Za-z_.-]{1,64}|<[\w -]{1,32}>")
_NUMBER = re.compile(r"[0-9]{1,19}")
_TAIL = (
    "upstream_cluster",
    "upstream_local_address",
    "downstream_local_address",
    "downstream_remote_address",
    "requested_server_name",
    "route_name",
)
_NUMBERS = ("bytes_received", "bytes_sent", "duration_ms", "upstream_service_time_ms")


def read_cut(line: str) -> Reading | None:
    """What is certain of an entry whose line lost its end, its start, or both.

    None when what is left could belong to anything.
    """
    begin = find_time(line)
    if begin is None:
        lead = _REQUEST.match(line)
        return _read_from_status(line) if lead is None else _read_untimed(line, lead.end())
    reading = Reading("custom-text", {}, partial=True)
    put_time(reading, begin.group(1))
    return _read_request(reading, line, begin.end())


def starts_untimed(line: str) -> bool:
    """Whether the line begins with a request, its time being lost."""
    return _REQUEST.match(line.lstrip()) is not None


def _read_untimed(line: str, start: int) -> Reading | None:
    """Read an entry that lost its time."""
    if whole := read_untimed(line, start):
        whole.partial = True
        return whole
    return _read_request(Reading("custom-text", {}, partial=True), line, start)


def _read_from_status(line: str) -> Reading | None:
    """Read an entry that lost its request, or all but its end."""
    status = _FULL_STATUS.search(line) or _BARE_STATUS.match(line)
    if status is None:
        return read_end(line)
    reading = Reading("custom-text", {}, partial=True)
    if status.group(1):
        put(reading, "protocol", status.group(1))
    put(reading, "response_code", status.group(2))
    put(reading, "response_flags", status.group(3))
    _read_rest(reading, line, status.end())
    if end := read_end(line):
        reading.fields = end.fields | reading.fields
    return reading


def _read_request(reading: Reading, line: str, start: int) -> Reading | None:
    """Read on from the request, which is whole at its start."""
    status = _STATUS.search(line, start)
    if status is None:
        return _read_cut_request(reading, line[start:])
    request = line[start : status.start()]
    timed = "start_time" in reading.fields
    if not timed and '" ' in request:
        return None  # another program's line: its status is followed by something else
    put_request(reading, request)
    put(reading, "response_code", status.group(1))
    flags = status.group(2) or status.group(3)
    if flags is not None:
        put(reading, "response_flags", flags)
    if status.group(3) and not _read_rest(reading, line, status.end() + 1) and not timed:
        return None
    return reading


def _read_cut_request(reading: Reading, request: str) -> Reading | None:
    """Read a request in which the line ends; None when the line goes on as no entry does."""
    whole = request.endswith('"')
    request = request.removesuffix('"')
    if '" ' in request or "start_time" not in reading.fields:
        return None
    method, space, rest = request.partition(" ")
    path, version, _ = rest.rpartition(" HTTP/")
    if whole:
        put_request(reading, request)
    elif space:
        put(reading, "method", method)
        if version:
            put(reading, "path", path)
    return reading if "method" in reading.fields else None


def _read_rest(reading: Reading, line: str, at: int) -> bool:
    """Read what follows the flags; False when it is not what Envoy prints there.

    Where a person left something out of the middle, only what is certain of the rest is read.
    """
    elision = _ELISION.search(line, at)
    cursor = Cursor(line if elision is None else line[: elision.start()], at)
    name = _read_middle(reading, cursor)
    if name is not None:
        reading.format = name
        begin = cursor.at
        if _read_numbers(reading, cursor):
            if _read_headers(reading, cursor):
                _read_tail(reading, cursor)
        elif _is_other(cursor.line[begin:]):
            return False
    if elision is not None and "upstream_cluster" not in reading.fields:
        _read_around_cluster(reading, line, elision.end())
    return True


def _is_other(rest: str) -> bool:
    """Whether what stands where the numbers should be can be no beginning of four numbers."""
    words = rest.partition('"')[0].split()
    return '"' in rest and 0 < len(words) < 3


def _read_tail(reading: Reading, cursor: Cursor) -> None:
    """Read what follows the upstream host."""
    for field in _TAIL:
        value = cursor.word()
        if value is None or (field.endswith("_address") and not _ADDRESS.fullmatch(value)):
            return
        put(reading, field, value)


def _read_around_cluster(reading: Reading, line: str, at: int) -> None:
    """Read a cluster with Istio's own name behind an elision, and the headers just before it."""
    if named := _SERVER_NAME.search(line, at):
        put(reading, "requested_server_name", named.group(1))
    found = _CLUSTER.search(line, at)
    if found is None:
        return
    for field, value in zip(("authority", "upstream_host"), found.groups(), strict=False):
        if value is not None and field not in reading.fields:
            put(reading, field, value)
    put(reading, "upstream_cluster", found.group(3))


def _read_middle(reading: Reading, cursor: Cursor) -> str | None:
    """Read what tells the layouts apart; None when the line ends in it."""
    if cursor.peek().isdigit():
        return "envoy-text"
    if cursor.peek() == '"':
        cursor.quoted()  # the mixer status, or on Istio 1.8 the failure reason: nobody can tell
        if cursor.peek().isdigit():
            return "istio-text-1.8"
        name = "istio-text-1.3"
    elif alone := _NUMBERED_DETAILS.match(cursor.line, cursor.at):
        put(reading, "response_code_details", alone.group(1))
        cursor.at = alone.end()
        return "custom-text"
    else:
        name = "istio-text-1.9"
        _read_details(reading, cursor)
    reason = cursor.quoted()
    if reason is None:
        return None
    put(reading, "upstream_transport_failure_reason", reason)
    return name


def _read_details(reading: Reading, cursor: Cursor) -> None:
    """Read the response code details and the connection termination details."""
    end = cursor.line.find(' "', cursor.at)
    if end >= 0:
        put_details(reading, cursor.line[cursor.at : end])
        cursor.at = end + 1
        return
    details = cursor.word()
    if details is not None and is_balanced(details):
        put(reading, "response_code_details", details)
        if cursor.word() == "-":
            put(reading, "connection_termination_details", "-")


def _read_numbers(reading: Reading, cursor: Cursor) -> bool:
    """Read the four numbers; False when the line ends in them or holds others."""
    values: list[str] = []
    while len(values) < 4 and (value := cursor.word()) is not None:
        values.append(value)
    if cursor.peek() not in ('"', "", ".") or len(values) < 3 <= len(cursor.line) - cursor.at:
        return False
    for field, value in zip(_NUMBERS, values, strict=False):
        if not _NUMBER.fullmatch(value) and (value != "-" or field.startswith("bytes")):
            return False
        put(reading, field, value)
    return cursor.peek() == '"'


def _read_headers(reading: Reading, cursor: Cursor) -> bool:
    """Read the quoted strings; False when the line ends in them or they are others."""
    first = cursor.quoted()
    stripped = first == "" and cursor.peek() == '"'
    if first is None or not (stripped or is_address_list(first)):
        reading.format = "custom-text"
        return False
    put(reading, "x_forwarded_for", first)
    if not _read_client(reading, cursor):
        return False
    for field in ("authority", "upstream_host"):
        value = cursor.quoted()
        if value is None or " " in value or '"' in value:
            return False
        if field == "upstream_host" and not _ends_headers(value, cursor.peek()):
            return False  # a format that prints more headers
        put(reading, field, value)
    return True


def _ends_headers(value: str, following: str) -> bool:
    """Whether a quoted string is the upstream host, after which no header comes."""
    return following != '"' and (following != "" or ":" in value or "/" in value)


def _read_client(reading: Reading, cursor: Cursor) -> bool:
    """Read user agent and request id; False when nothing certain can follow.

    A user agent may hold quotes, so it is certain only when what follows can be a request id.
    """
    agent = cursor.quoted()
    if agent is None or ('"' in agent and cursor.peek() != '"'):
        return False
    request_id = cursor.quoted() if cursor.peek() == '"' else None
    if request_id is not None and not _SHORT_ID.fullmatch(request_id):
        return False
    put(reading, "user_agent", agent)
    if "upstream_service_time_ms" not in reading.fields:
        reading.format = "custom-text"  # a shortened layout: what follows has no name
        return False
    if request_id == "-" or (request_id is not None and is_request_id(request_id)):
        put(reading, "request_id", request_id)
    return request_id is not None
