"""From the names in a line to reporter, source and destination."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from pipelines.aliases import UNKNOWN, Aliases, Key
from pipelines.normalise import cluster_parts, host_expr, sni_host_expr

ROUTE = ("pod", "namespace", "workload", "cluster", "authority", "sni", "local")
"""What decides who called whom: equal values, equal answer."""

BLACK_HOLE = "BlackHoleCluster"
PASSTHROUGH = "PassthroughCluster"

BOOTSTRAP = (
    "xds-grpc",
    "sds-grpc",
    "sds-files-grpc",
    "agent",
    "prometheus_stats",
    "zipkin",
    "envoy_accesslog_service",
    "metadata_discovery",
)
"""Clusters that every proxy has for itself (Istio's bootstrap): not the mesh's traffic."""

PROBE_PORT = ":15021"
"""Where a proxy answers health checks."""

_MAX_NAME = 253 + len(":65535")

_TUNNEL_PORTS = frozenset({"15006", "15008"})


def with_route(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Add the columns of ``ROUTE`` that a line's own columns decide, as few values as will do.

    An ordinary outbound cluster says all there is to say, so addresses are dropped there: they
    would only split groups. The client's address, with its port, is never needed. A server name
    that is not the mesh's own stands in for the authority, which TCP does not have. What is
    longer than a host's name and port can be names no service.
    """
    cluster, sni = pl.col("upstream_cluster"), pl.col("requested_server_name")
    plain = cluster.str.starts_with("outbound|").fill_null(value=False)
    name = pl.coalesce("authority", pl.when(~plain).then(sni))
    return lines.with_columns(
        cluster.alias("cluster"),
        pl.when(name.str.len_bytes() <= _MAX_NAME).then(name).alias("authority"),
        pl.when(~plain & sni.str.starts_with("outbound_.")).then(sni).alias("sni"),
        pl.when(~plain).then("downstream_local_address").alias("local"),
    )


def resolve(routes: pl.DataFrame, aliases: Aliases, bucket: int) -> pl.DataFrame:
    """Learn from a bucket's routes, then name each of them.

    Args:
        routes: distinct ``ROUTE`` rows of one bucket with ``count``; any order.
        aliases: what earlier buckets taught; changed.
        bucket: the bucket's number.

    Returns:
        ``ROUTE``, ``reporter``, ``source``, ``destination``.
    """
    direction, port, host = cluster_parts(pl.col("cluster"))
    parts = routes.with_columns(pl.col(ROUTE).name.prefix("key_")).with_columns(
        pl.when(direction.str.starts_with("inbound") | direction.str.starts_with("InboundPass"))
        .then(pl.lit("destination"))
        .when(direction.is_not_null())
        .then(pl.lit("source"))
        .alias("reporter"),
        port.alias("port"),
        pl.coalesce(
            host,
            sni_host_expr(pl.col("cluster")),
            pl.when(direction == BLACK_HOLE).then(pl.lit(BLACK_HOLE)),
        ).alias("host"),
        sni_host_expr(pl.col("sni")).alias("sni_host"),
        host_expr(pl.col("authority")).alias("name"),
        host_expr(pl.col("local")).alias("address"),
        pl.col("local").str.extract(r":(\d+)$").alias("local_port"),
        pl.col("namespace").fill_null(""),
        pl.col("workload").fill_null("").alias("caller"),
    )
    _learn(parts, aliases, bucket)
    # Most routes name their destination in the cluster; only the rest is looked up one by one.
    told = (parts["reporter"] == "source") & parts["host"].is_not_null()
    told = told.fill_null(value=False)
    rest = parts.filter(~told)
    found = [_look_up(row, aliases) for row in rest.iter_rows(named=True)]
    looked_up = rest.with_columns(
        pl.Series("reporter", [reporter for reporter, _ in found], pl.String),
        pl.Series("host", [host for _, host in found], pl.String),
    )
    return pl.concat([parts.filter(told), looked_up]).select(
        *(pl.col(f"key_{name}").alias(name) for name in ROUTE),
        "reporter",
        pl.when(pl.col("reporter") == "destination")
        .then(pl.lit(UNKNOWN))
        .otherwise(_workload())
        .alias("source"),
        pl.col("host").alias("destination"),
    )


def _workload() -> pl.Expr:
    """``workload.namespace``, or less when less is known."""
    named = pl.concat_str(
        "caller",
        pl.when(pl.col("namespace") != "").then("namespace"),
        separator=".",
        ignore_nulls=True,
    )
    return pl.when(pl.col("caller") == "").then(pl.lit(UNKNOWN)).otherwise(named)


def _learn(parts: pl.DataFrame, aliases: Aliases, bucket: int) -> None:
    # A server name counts only where the mesh accepted it: anyone can send one to a gateway.
    inbound = parts.filter(pl.col("reporter") == "destination")
    hosts = pl.concat([parts["host"], inbound["sni_host"]]).drop_nulls().unique().sort()
    for host in hosts:
        if host != BLACK_HOLE:
            aliases.learn_host(host)
    outbound = parts.filter(
        pl.col("reporter") == "source",
        pl.col("name") != pl.col("host"),
        pl.col("host") != BLACK_HOLE,
    )
    for key, host, count in _votes(outbound, pl.col("name"), pl.col("host")):
        aliases.authorities.add(key, host, count, bucket)
    port = pl.coalesce("local_port", "port")
    service = pl.coalesce("host", "sni_host")
    for key, host, count in _votes(inbound, port, service):
        aliases.ports.add(key, host, count, bucket)
    own = inbound.filter(pl.col("address").is_not_null())
    for pod, address in (
        own.select(pl.col("pod").fill_null(""), "address")
        .unique()
        .sort("pod", "address")
        .iter_rows()
    ):
        aliases.learn_address(pod, address)


def _votes(parts: pl.DataFrame, name: pl.Expr, host: pl.Expr) -> Iterator[tuple[Key, str, int]]:
    """What a bucket says about each name, in an order that does not depend on the lines'."""
    votes = (
        parts.select("namespace", "caller", name.alias("name"), host.alias("host"), "count")
        .drop_nulls()
        .group_by("namespace", "caller", "name", "host")
        .agg(pl.col("count").sum())
        .sort("namespace", "caller", "name", "host")
    )
    for namespace, caller, alias, told, count in votes.iter_rows():
        yield Key(namespace, caller, alias), told, count


def _look_up(row: dict[str, Any], aliases: Aliases) -> tuple[str, str]:
    """Reporter and destination of a route whose cluster does not name a service."""
    namespace, name = row["namespace"], row["name"] or ""
    reporter = row["reporter"] or ("destination" if _is_inbound(row, aliases) else "source")
    host = row["host"] or row["sni_host"]
    if host is None and reporter == "destination":
        host = aliases.ports.best(
            Key(namespace, row["caller"], row["local_port"] or row["port"] or "")
        )
    elif host is None:
        host = aliases.authorities.best(Key(namespace, row["caller"], name))
    return reporter, host or aliases.expand(name, namespace) or UNKNOWN


def _is_inbound(row: dict[str, Any], aliases: Aliases) -> bool:
    """Whether a line without a cluster was written on the server's side.

    So it is when the connection was meant for the pod itself: it carries the mesh's own name in
    SNI, came to the port that takes redirected inbound connections, or to an address at which
    this pod has answered before.
    """
    if row["sni_host"] is not None or row["local_port"] in _TUNNEL_PORTS:
        return True
    return aliases.is_own(row["pod"] or "", row["address"] or "")
