"""The parts of an access log line that can be printed in more than one way.

Envoy escapes nothing, so the request, the details and the client's headers may hold the very
characters that part them.
"""

from __future__ import annotations

import re

from pipelines.formats.values import Reading, is_address_list, is_request_id, put

_METHOD = re.compile(r"-|[A-Za-z][A-Za-z-]{0,31}")
_PROTOCOL = re.compile(r"-|HTTP/[0-9](?:\.[0-9])?")
_HEADERS = ("x_forwarded_for", "user_agent", "request_id", "authority")


def put_request(reading: Reading, request: str) -> None:
    """Read ``METHOD PATH PROTOCOL``; a request with a part missing makes the reading partial."""
    method, _, rest = request.partition(" ")
    path, _, protocol = rest.rpartition(" ")
    if not _PROTOCOL.fullmatch(protocol) or not path:
        path, protocol = rest, ""
    if _METHOD.fullmatch(method):
        put(reading, "method", method)
    if path:
        put(reading, "path", path)
    if protocol:
        put(reading, "protocol", protocol)
    if len(reading.fields) < 3:
        reading.partial = True


def put_details(reading: Reading, printed: str) -> None:
    """Read ``DETAILS TERMINATION``, either of which old and patched proxies print with spaces."""
    depth = 0
    cut = len(printed)
    for at, char in enumerate(printed):
        depth += (char in "{[(") - (char in "}])")
        if char == " " and depth <= 0:
            cut = at
            break
    if cut == len(printed):
        cut = printed.rfind(" ") if " " in printed else cut
    put(reading, "response_code_details", printed[:cut].strip())
    if cut < len(printed):
        put(reading, "connection_termination_details", printed[cut:].strip())
    else:
        reading.partial = True


def put_headers(reading: Reading, parts: list[str]) -> bool | None:
    """Read the quoted headers, which were split where one may end and the next begin.

    Returns:
        False for the four of the default layouts (a user agent may have been split and is put
        together again), True when a custom format adds more, None when these are no headers.
    """
    if len(parts) < 4:
        return None
    if len(parts) == 4:
        _put_all(reading, dict(zip(_HEADERS, parts, strict=True)))
        return False
    if is_request_id(parts[2]) == is_request_id(parts[-2]):
        reading.partial = True  # two ways to read them: keep what both agree on
        _put_all(reading, {"x_forwarded_for": parts[0]} if is_address_list(parts[0]) else {})
        return False
    if is_request_id(parts[2]):
        reading.partial = True  # what the others are, only the format string can tell
        _put_all(reading, dict(zip(_HEADERS[:3], parts, strict=False)))
        if " " not in parts[3] and '"' not in parts[3]:
            _put_all(reading, {"authority": parts[3]})
        reading.extra["headers"] = parts[4:]
        return True
    _put_all(reading, {"request_id": parts[-2], "authority": parts[-1]})
    if is_address_list(parts[0]):
        agent = '" "'.join(parts[1:-2])
        _put_all(reading, {"x_forwarded_for": parts[0], "user_agent": agent})
    else:
        reading.partial = True  # either header can hold the quotes
    return False


def _put_all(reading: Reading, values: dict[str, str]) -> None:
    for name, value in values.items():
        put(reading, name, value)
