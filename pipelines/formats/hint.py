"""The length of a local reply's body as a hint at its cause, where the layout prints no details.

Envoy's body is ``upstream connect error or disconnect/reset before headers. reset reason:
REASON``, so its length tells the reason. A workload's own body can be as long: it is a hint.
"""

from __future__ import annotations

from typing import Any

_REASONS = {
    19: ("no healthy upstream", {"UH"}),
    24: ("upstream request timeout", {"UT"}),
    81: ("overflow", {"UO"}),
    84: ("local reset", {"LR"}),
    85: ("remote reset", {"UR"}),
    87: ("protocol error", {"UC", "UPE"}),
    91: ("connection failure", {"UF"}),
    95: ("connection termination", {"UC"}),
    97: ("local connection failure", {"UF"}),
    98: ("remote connection failure", {"UF"}),
    100: ("remote refused stream reset", {"UR"}),
    114: ("connection failure, retried", {"UF"}),
    159: ("connection failure: secret not supplied by SDS", {"UF"}),
    195: ("connection failure: certificate verify failed", {"UF"}),
}
"""Bytes sent, the reason, and the flags of which one must stand beside it."""


def of(fields: dict[str, Any]) -> str | None:
    """The likely reason of a local reply, or None.

    Only where the layout has no response code details, the code is an error, and the upstream
    gave no answer of its own.
    """
    if "response_code_details" in fields or (fields.get("response_code") or 0) < 400:
        return None
    if fields.get("upstream_service_time_ms") is not None:
        return None
    flags = set(fields.get("response_flags") or ())
    sent = fields.get("bytes_sent")
    if sent == 0 and fields["response_code"] == 503 and "NR" in flags:
        return "cluster not found"
    if sent not in _REASONS or not flags & _REASONS[sent][1]:
        return None
    return _REASONS[sent][0]
