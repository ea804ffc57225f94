"""One name for one thing: flags, details, addresses, hosts, whatever the version prints."""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

BENIGN = frozenset({"DI", "RFCF", "-", ""})
"""Flags that mark no error: an injected delay, an answer from the cache."""

VAGUE = ("DC", "URX")
"""Flags that say less than any other beside them: the client left, the retries ran out."""

_PROTOCOL_ERROR = "protocol_error"


@lru_cache(maxsize=16_384)
def canonical_flags(code: int, flags: str, details: str | None) -> str:
    """Sorted, comma-joined flags, in the words of today's Envoy; ``-`` when there are none.

    Envoy before 1.18 (Istio before 1.10) said NR for a missing cluster and UC for an answer
    that is not HTTP; Envoy since 1.30 says DR where it said DC. Istio before 1.9 printed no
    details, and a 503 NR could there only mean the missing cluster: a missing route is a 404.
    """
    parts = {part for part in flags.split(",") if part not in ("", "-")}
    if code == 503 and "NR" in parts and (details is None or "cluster_not_found" in details):
        parts = parts - {"NR"} | {"NC"}
    if code == 503 and "UC" in parts and details is not None and _PROTOCOL_ERROR in details:
        parts = parts - {"UC"} | {"UPE"}
    if "DR" in parts:
        parts = parts - {"DR"} | {"DC"}
    return ",".join(sorted(parts)) or "-"


@lru_cache(maxsize=16_384)
def signal_of(code: int, flags: str) -> str | None:
    """The signal of an outcome: its most specific flag, else the code when it is an error.

    ``flags`` are canonical. None means success: no flag that marks an error, and a code below
    400 (0 is the code of TCP and of requests without an answer). gRPC's local replies carry 200
    and a flag, so a flag counts whatever the code.
    """
    parts = sorted(part for part in flags.split(",") if part not in BENIGN)
    specific = next((part for part in parts if part not in VAGUE), None)
    vague = next((part for part in VAGUE if part in parts), None)
    return specific or vague or (str(code) if code >= 400 else None)


def signal_expr(code: pl.Expr, flags: pl.Expr) -> pl.Expr:
    """:func:`signal_of` for columns."""
    parts = flags.str.split(",")
    specific = (
        parts.list.set_difference(pl.lit([*BENIGN, *VAGUE], pl.List(pl.String))).list.sort()
    ).list.first()
    vague = pl.coalesce(pl.when(parts.list.contains(flag)).then(pl.lit(flag)) for flag in VAGUE)
    return pl.coalesce(specific, vague, pl.when(code >= 400).then(code.cast(pl.String)))


_HINTS = {
    0: "cluster_not_found",
    24: "upstream_request_timeout",
    57: "upstream_reset",
    81: "overflow",
    84: "local_reset",
    85: "remote_reset",
    87: "protocol_error",
    91: "connection_failure",
    95: "connection_termination",
    97: "local_connection_failure",
    98: "remote_connection_failure",
    100: "remote_refused_stream_reset",
    114: "connection_failure",
    159: "connection_failure,Secret_is_not_supplied_by_SDS",
    195: "connection_failure,CERTIFICATE_VERIFY_FAILED",
}
"""Length of Envoy's own error body -> its reason: ``upstream connect error or disconnect/reset
before headers. reset reason: REASON``. An application's body can have the same length."""

_HINTED = frozenset({"NC", "UF", "UC", "UO", "UR", "LR", "UPE", "URX", "UF,URX", "UT"})
_NOISE = re.compile(
    r"-?\d+|TLS_error:?|TLS_error_end|SSL_routines|OPENSSL_internal|remote_address"
    r"|[\d.]+(?::\d+)?|\[?[0-9a-fA-F]*:[0-9a-fA-F:]+\]?(?::\d+)?|"
)
_MAX_DETAILS = 160


@lru_cache(maxsize=16_384)
def canonical_details(
    details: str | None, reason: str | None, flags: str, bytes_sent: int | None
) -> str | None:
    """What went wrong, in the same words from every version; None when nothing tells.

    The response code details without addresses and error numbers, spaces as underscores; a
    transport failure reason is added when the details do not hold it. Lines of layouts without
    details give ``hint:REASON`` from the length of Envoy's own error body, or None.
    """
    said = _words(details or "")
    spoken = _words(reason or "")
    words = said + [word for word in spoken if word not in said]
    if words:
        return ",".join(words)[:_MAX_DETAILS]
    if details is None and flags in _HINTED and bytes_sent in _HINTS:
        return f"hint:{_HINTS[bytes_sent]}"
    return None


def _words(text: str) -> list[str]:
    """The telling parts of details or of a reason.

    Old Envoys separate them by commas and keep spaces, new ones write pipes and underscores.
    """
    kept: list[str] = []
    for part in re.split(r"[,|{}\[\]]", text.replace(" ", "_")):
        pieces = [p for p in part.split(":") if not _NOISE.fullmatch(p.strip("_"))]
        word = ":".join(pieces).strip("_:")
        if word and word != "-" and not _NOISE.fullmatch(word) and word not in kept:
            kept.append(word)
    return kept


def host_expr(name: pl.Expr) -> pl.Expr:
    """A host out of an authority: lower case, without port and final dot; null stays null."""
    plain = (
        pl.when(name.str.starts_with("["))
        .then(name.str.extract(r"^(\[[^\]]*\])"))
        .otherwise(name.str.splitn(":", 2).struct.field("field_0"))
    )
    return plain.str.strip_suffix(".").str.to_lowercase()


def sni_host_expr(name: pl.Expr) -> pl.Expr:
    """The service host in ``outbound_.PORT_.SUBSET_.HOST``; null for any other name."""
    return pl.when(name.str.starts_with("outbound_.")).then(
        name.str.splitn("_.", 4).struct.field("field_3").str.to_lowercase()
    )


def cluster_parts(cluster: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Direction, port and host of an upstream cluster's name; empty or null where it has none.

    Istio 1.23 to 1.24 print a ``;`` behind the name.
    """
    fields = cluster.str.strip_suffix(";").str.splitn("|", 4).struct
    host = fields.field("field_3").str.to_lowercase()
    return (
        fields.field("field_0"),
        fields.field("field_1"),
        pl.when(host.str.len_bytes() > 0).then(host),
    )
