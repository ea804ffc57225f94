"""What the fast readers have in common: the columns they make, and when to doubt a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import polars as pl

from pipelines.formats.values import ELIDED, FLAGS

ADDRESSES = ("downstream_local_address", "downstream_remote_address", "upstream_host")

STRINGS = (
    "response_code_details",
    "upstream_transport_failure_reason",
    "upstream_cluster",
    "authority",
    "requested_server_name",
    *ADDRESSES,
)
"""The text fields that the rollup needs and that print ``-`` for null."""

TABLE: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Datetime("us", "UTC"),
    "response_code": pl.Int32,
    "response_flags": pl.String,
    "bytes_sent": pl.Int64,
    **dict.fromkeys(STRINGS, pl.String),
    "probe": pl.Boolean,
}
"""What a fast reader makes of access log entries, besides who wrote them."""

MAX_DURATION_MS = 10 * 366 * 86_400_000
"""A stream open for more than ten years is a broken number."""

MAX_LINE = 64 * 1024
"""Longer ones are for the careful path to refuse."""

PROBE = "kube-probe/"
"""How the kubelet's health checks name themselves (k8s.io/kubernetes, pkg/probe/http)."""

_FLAGS = re.compile(FLAGS)


def sound_flags(flags: pl.Series) -> pl.Expr:
    """Whether flags are what Envoy prints; the set is open, the grammar is not."""
    known = [text for text in flags.unique() if text is not None and _FLAGS.fullmatch(text)]
    if len(known) == flags.n_unique():
        return pl.lit(value=True)
    return pl.col(flags.name).is_in(known)


def sound_addresses(table: pl.DataFrame, names: Sequence[str]) -> Iterator[pl.Expr]:
    """Whether addresses are null or more than digits: an IP, a name or a path, without spaces.

    Nothing is left to check of a column in which all have a dot and none a space.
    """
    plain = table.select(
        (pl.col(name).str.contains(".", literal=True) | (pl.col(name) == "-")).all()
        & (~pl.col(name).str.contains(" ", literal=True) | (name != "upstream_host")).all()
        for name in names
    )
    for column in plain:
        if not column.item():
            yield ~pl.col(column.name).str.contains("^[0-9:]*$| ").fill_null(value=False)


def not_elided() -> pl.Expr:
    """Whether no person shortened the cluster or the authority to its beginning and some dots."""
    return pl.all_horizontal(
        ~pl.col(name).str.ends_with(dots).fill_null(value=False)
        for name in ("upstream_cluster", "authority")
        for dots in ELIDED
    )


def or_null(name: str) -> pl.Expr:
    """A text without what stands for nothing."""
    return pl.when((pl.col(name) != "-") & (pl.col(name) != "")).then(name)
