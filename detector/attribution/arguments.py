"""Arguments for and against the control plane, and what the errors' own signals make likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from detector.attribution.evidence import CLIENT_SIGNALS, Errors
from detector.engine.series import SILENT


@dataclass(frozen=True, slots=True)
class Argument:
    """A fact in words; positive log odds (natural) speak for the control plane."""

    log_odds: float
    text: str


_SIGNALS: Mapping[str, float] = {
    "NC": 2.5, "NR": 2.0, "UH": 1.0, "UF": 0.0, "503": 0.0, "UPE": 0.0, "URX": -0.5, "DPE": -1.0,
    "502": -1.0, "504": -1.5, "UC": -2.0, "500": -2.0, "UT": -3.0, "UO": -3.0, "UAEX": -3.0,
    "RL": -3.0, SILENT: 0.0,
}  # fmt: skip
_CLIENT, _OTHER, _BASE = -2.0, -1.0, -0.5

_REFUSED = r"refused$|connection.refused|delayed.connect.error"
_DETAILS = (
    (r"secret.is.not.supplied", None, 3.0, "a certificate had not been delivered by SDS yet"),
    (
        r"tlsv?\d|ssl|certificate_verify|wrong_version|unsupported_protocol|no_ciphers",
        None,
        1.0,
        "the TLS settings of the two sides do not fit each other",
    ),
    (r"jwks", None, 1.0, "the keys that check tokens are missing"),
    (r"filter_chain_not_found", None, 1.0, "no filter chain of the listener fits the connection"),
    (r"connection_timeout", None, -1.0, "the destination does not answer connections"),
    (_REFUSED, "source", -1.0, "the destination refuses connections"),
    (_REFUSED, "destination", -2.5, "the application refuses connections from its own proxy"),
)
"""Pattern in the canonical details (`pipelines.normalise`), reporter, log odds, meaning."""


def clock(seconds: float) -> str:
    """Epoch seconds as a time of day."""
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%H:%M:%S} UTC"


def length(seconds: float) -> str:
    """A duration in words: "0.4 s", "42 s", "7 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def percent(share: float) -> str:
    """A share of one, as whole per cent."""
    return f"{100 * share:.0f} %"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Service hosts by their short names, the tail counted."""
    short = ", ".join(name.split(".")[0] for name in names[:most])
    return f"{short} and {len(names) - most} more" if len(names) > most else short


def of_signals(errors: Errors) -> list[Argument]:
    """What flags and details alone make likely, before any change is looked at.

    The weights are domain knowledge (a flag says in which layer a request failed), not
    measurements. A signal's or detail's weight counts by its share of the errors.
    """
    shares = errors.frame.group_by("signal").agg(pl.col("weight").sum() / errors.total)
    ranked = shares.sort(["weight", "signal"], descending=[True, False]).rows()
    prior = _BASE + sum(share * _weight(str(signal)) for signal, share in ranked)
    top, share = str(ranked[0][0]), float(ranked[0][1])
    found = [Argument(prior, f"{percent(share)} of the errors are {top}, {_nature(top)}")]
    if top == SILENT:
        found = [Argument(prior, "Requests are missing, while their callers go on calling others")]
    details = pl.col("details").fill_null("").str.to_lowercase()
    for pattern, reporter, weight, meaning in _DETAILS:
        rows = errors.frame.filter(details.str.contains(pattern))
        if reporter is not None:
            rows = rows.filter(pl.col("reporter") == reporter)
        share = float(rows["weight"].sum()) / errors.total
        if share > 0.2:
            found.append(Argument(weight * share, f"In {percent(share)} of the errors {meaning}"))
    return found + _of_one_pod(errors)


def _of_one_pod(errors: Errors) -> list[Argument]:
    """A pod of the destination that fails alone: Gandalf's spatial vote (NSDI 2020), as a hint."""
    known = errors.frame.filter(pl.col("destination_pod").is_not_null())
    if errors.total < 10.0 or known["reporter"].n_unique() + known["proxy"].n_unique() < 3:
        return []
    pods = known.group_by("destination_pod").agg(pl.col("weight").sum() / errors.total)
    pod, share = max(pods.rows(), key=lambda row: (row[1], row[0]))
    if share < 0.8:
        return []
    return [Argument(-1.0, f"{percent(share)} of the errors are those of one pod, {pod}")]


def from_clients(errors: Errors) -> bool:
    """Whether clients bring these errors about: 4xx and DC alone, or unknown routes at gateways."""
    frame = errors.frame
    scans = (
        (pl.col("signal") == "NR")
        & (pl.col("response_code") == 404)
        & pl.col("source").str.contains("gateway")
    )
    mine = frame.filter(pl.col("signal").is_in(CLIENT_SIGNALS) | scans.fill_null(value=False))
    return float(mine["weight"].sum()) >= 0.8 * errors.total


def _weight(signal: str) -> float:
    return _CLIENT if signal in CLIENT_SIGNALS else _SIGNALS.get(signal, _OTHER)


def _nature(signal: str) -> str:
    weight = _weight(signal)
    if weight > 0:
        return "the mark of configuration in flux"
    if signal in CLIENT_SIGNALS:
        return "which clients usually cause themselves"
    if weight < 0:
        return "which the destination workload usually causes itself"
    return "which both changes and failing workloads cause"
