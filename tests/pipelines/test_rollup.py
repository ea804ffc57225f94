"""Counts by event time do not depend on how the lines came."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import schema
from pipelines.batch import Batch
from pipelines.closing import Closed
from pipelines.groups import Groups
from pipelines.moments import Moments
from pipelines.parse import Parser
from pipelines.rollup import Rollup

DATA = Path(__file__).parents[1] / "data" / "traffic"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2030, 1, 1, tzinfo=UTC)
ORDERS = "orders.shop.svc.cluster.local"


@cache
def traffic(name: str) -> pl.DataFrame:
    lines = gzip.decompress((DATA / name).read_bytes()).splitlines()
    return Parser().parse(Batch("logs", 0, 0, len(lines), lines)).access


def entry(second: float = 0.0, **values: object) -> dict[str, Any]:
    row = dict.fromkeys(schema.ACCESS)
    return row | {
        "ordinal": 0,
        "time": START + timedelta(seconds=second),
        "pod": "web-6d9f8c7b5d-abcde",
        "namespace": "shop",
        "workload": "web",
        "response_code": 200,
        "response_flags": "-",
        "upstream_cluster": f"outbound|80||{ORDERS}",
        "authority": "orders:80",
        "downstream_local_address": "10.0.9.3:80",
        "downstream_remote_address": "10.4.2.7:41514",
        "upstream_host": "10.4.1.9:8080",
        **values,
    }


def entries(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=schema.ACCESS)


def closed(*rows: dict[str, Any], rollup: Rollup | None = None) -> Closed:
    rollup = rollup or Rollup()
    rollup.add(entries(rows))
    return rollup.close(END)


def series(*rows: dict[str, Any]) -> list[tuple[str, str, str]]:
    return closed(*rows).rollup.select("reporter", "source", "destination").rows()


def inbound(second: float = 0.0, **values: object) -> dict[str, Any]:
    return entry(
        second,
        **{
            "upstream_cluster": "inbound|8080||",
            "pod": "orders-7c9d8f6b5-xyz12",
            "workload": "orders",
            "downstream_local_address": "10.4.1.9:8080",
            "authority": "orders",
        }
        | values,
    )


def merged(parts: list[Closed]) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.concat([p.rollup for p in parts]), pl.concat([p.moments for p in parts])


def fed(
    access: pl.DataFrame, cuts: list[int], lateness_s: float = 10.0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """``access`` in pieces, each closed up to the watermark that it allows."""
    rollup = Rollup(lateness_s=lateness_s)
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, len(access)], strict=True):
        rollup.add(access.slice(start, stop - start))
        if rollup.watermark is not None:
            parts.append(rollup.close(rollup.watermark))
    parts.append(rollup.close(END))
    assert rollup.late == 0
    return merged(parts)


def same(one: tuple[pl.DataFrame, pl.DataFrame], two: tuple[pl.DataFrame, pl.DataFrame]) -> bool:
    return one[0].equals(two[0]) and one[1].equals(two[1])


@pytest.mark.no_cover
@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1991), max_size=12).map(sorted))
def test_any_cut_into_batches_gives_the_same_output(cuts: list[int]) -> None:
    access = traffic("access.json.gz")
    assert same(fed(access, cuts, lateness_s=20), fed(access, [], lateness_s=20))


@pytest.mark.no_cover
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_shuffle_within_the_lateness_gives_the_same_output(seed: int) -> None:
    source = random.Random(seed)
    access = traffic("access.json.gz").sort("time")
    delay = pl.Series([source.uniform(0, 9.0) for _ in range(len(access))])
    arrival = access["time"].dt.epoch("ms") / 1000 + delay
    shuffled = access[arrival.arg_sort()]
    cuts = sorted(source.randrange(len(access)) for _ in range(8))
    assert same(fed(shuffled, cuts), fed(access, []))


def test_text_and_json_of_the_same_traffic_give_the_same_once_namespaces_are_known() -> None:
    text, document = traffic("access.log.gz"), traffic("access.json.gz")
    known = dict(document.select("pod", "namespace").unique().iter_rows())
    completed = text.with_columns(namespace=pl.col("pod").replace_strict(known))
    results = []
    for access in (completed, document):
        rollup = Rollup()
        rollup.add(access)
        results.append(merged([rollup.close(END)]))
    assert same(*results)
    assert results[0][0]["count"].sum() == len(text)


def test_text_alone_names_workloads_without_their_namespace() -> None:
    rollup = Rollup()
    rollup.add(traffic("access.log.gz"))
    assert set(rollup.close(END).rollup["source"]) == {
        "istio-ingressgateway", "frontend-v1", "cart-v1", "payments-v1", "unknown",
    }  # fmt: skip


def test_every_entry_of_real_traffic_is_attributed_to_a_service() -> None:
    rollup = Rollup()
    rollup.add(traffic("access.json.gz"))
    destinations = rollup.close(END).rollup["destination"].unique().sort().to_list()
    assert destinations == [
        f"{name}.default.svc.cluster.local" for name in ("cart", "catalog", "frontend", "payments")
    ]


def test_partial_sums_add_up() -> None:
    access = traffic("access.json.gz")
    whole = Rollup()
    whole.add(access)
    parts = []
    for part in (access[::2], access[1::2]):
        rollup = Rollup()
        rollup.add(access.clear())
        rollup.add(part)
        parts.append(rollup.close(END).rollup)
    keys = [name for name in schema.ROLLUP if name != "count"]
    added = pl.concat(parts).group_by(keys).agg(pl.col("count").sum()).sort(keys)
    assert added.equals(whole.close(END).rollup)


def test_a_restored_rollup_goes_on_exactly_where_the_other_stopped() -> None:
    access = traffic("access.json.gz").sort("time")
    first = Rollup()
    first.add(access[:1200])
    assert first.watermark is not None
    first.close(first.watermark)
    second = Rollup()
    second.restore(first.snapshot())
    for rollup in (first, second):
        rollup.add(access[1200:])
    assert second.watermark == first.watermark
    assert same(merged([first.close(END)]), merged([second.close(END)]))
    assert second.late == first.late


@pytest.mark.parametrize("state", [b"", b"garbage", b"\x80", Rollup(bucket_s=60).snapshot()])
def test_a_snapshot_that_does_not_fit_is_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a rollup's snapshot|buckets of"):
        Rollup().restore(state)


def test_frames_have_the_schemas_columns_even_when_empty() -> None:
    empty = Rollup().close(END)
    assert empty.rollup.schema == schema.empty(schema.ROLLUP).schema
    assert empty.moments.schema == schema.empty(schema.MOMENTS).schema
    some = closed(entry(), entry(response_code=503, response_flags="UH"))
    assert some.rollup.schema == empty.rollup.schema
    assert some.moments.schema == empty.moments.schema


def test_an_entry_counts_in_the_bucket_in_which_its_response_ended() -> None:
    times = closed(entry(9.999), entry(10.0)).rollup["time"].to_list()
    assert times == [START, START + timedelta(seconds=10)]


def test_a_bucket_closes_when_the_watermark_reaches_its_end() -> None:
    rollup = Rollup(lateness_s=10)
    rollup.add(entries([entry(1), entry(19.5)]))
    assert rollup.watermark == START + timedelta(seconds=9.5)
    assert len(rollup.close(rollup.watermark).rollup) == 0
    rollup.add(entries([entry(20.0)]))
    assert rollup.watermark == START + timedelta(seconds=10)
    assert rollup.close(rollup.watermark).rollup["time"].to_list() == [START]


def test_late_entries_are_counted_and_left_out() -> None:
    rollup = Rollup()
    rollup.add(entries([entry(1), entry(100)]))
    rollup.close(START + timedelta(seconds=50))
    rollup.add(entries([entry(2), entry(49.9), entry(50)]))
    assert rollup.late == 2
    assert rollup.close(END).rollup["count"].sum() == 2


def test_one_clock_in_the_future_closes_no_bucket_and_is_counted() -> None:
    rollup = Rollup()
    rollup.add(entries([entry(second) for second in range(30)] + [entry(10**7)]))
    assert rollup.watermark == START + timedelta(seconds=19)
    kept = rollup.close(rollup.watermark).rollup["count"].sum()
    assert (kept, rollup.ahead) == (10, 1)
    assert rollup.close(START + timedelta(seconds=60)).rollup["count"].sum() == 20


def test_proxies_own_clusters_and_health_checks_are_left_out() -> None:
    rollup = Rollup()
    own = ["xds-grpc", "agent", "prometheus_stats"]
    result = closed(
        *(entry(upstream_cluster=name) for name in own),
        entry(upstream_cluster=None, downstream_local_address="10.4.1.9:15021"),
        entry(),
        rollup=rollup,
    )
    assert rollup.bootstrap == 4
    assert result.rollup["count"].sum() == 1


def test_an_outbound_line_is_the_callers_and_names_the_clusters_host() -> None:
    for cluster in (f"outbound|80||{ORDERS}", f"outbound|80|v2|{ORDERS.upper()};"):
        assert series(entry(upstream_cluster=cluster)) == [("source", "web.shop", ORDERS)]


@pytest.mark.parametrize(
    ("values", "destination"),
    [
        ({"upstream_cluster": f"inbound|80|http|{ORDERS}"}, ORDERS),
        ({"requested_server_name": f"outbound_.80_._.{ORDERS}"}, ORDERS),
        ({"upstream_cluster": "InboundPassthroughClusterIpv4"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_an_inbound_line_is_the_servers_and_never_keyed_by_the_clusters_name(
    values: dict[str, Any], destination: str
) -> None:
    assert series(inbound(**values)) == [("destination", "unknown", destination)]


def test_a_port_means_the_service_that_callers_reached_through_it_before() -> None:
    named = inbound(requested_server_name=f"outbound_.80_._.{ORDERS}")
    plain = inbound(second=20.0, authority="10.4.1.9")
    failed = plain | {"upstream_cluster": None, "response_code": 503, "response_flags": "NC"}
    assert set(series(named, plain, failed)) == {("destination", "unknown", ORDERS)}


def test_an_authority_without_a_cluster_means_what_it_meant_to_that_workload() -> None:
    good = [
        entry(authority="shop.example.com", workload="gateway", pod="gateway-1"),
        entry(authority="shop.example.com", workload="other", pod="other-1",
              upstream_cluster="outbound|80||else.shop.svc.cluster.local"),
    ]  # fmt: skip
    lost = {"upstream_cluster": None, "upstream_host": None, "response_code": 503}
    bad = good[0] | lost | {"response_flags": "NC", "time": START + timedelta(seconds=30)}
    moments = closed(*good, bad).moments
    assert moments["destination"].to_list() == [ORDERS]
    assert moments["signal"].to_list() == ["NC"]


def test_an_authority_with_several_services_means_the_one_it_mostly_went_to() -> None:
    many = [entry(authority="shop.example.com") for _ in range(3)]
    few = entry(
        authority="shop.example.com", upstream_cluster="outbound|80||a.shop.svc.cluster.local"
    )
    lost = entry(20, authority="shop.example.com", upstream_cluster=None, response_code=404)
    assert closed(*many, few, lost).moments["destination"].to_list() == [ORDERS]


@pytest.mark.parametrize(
    "authority", ["orders", "orders.shop", "orders.shop.svc", f"{ORDERS}:80", "ORDERS.shop.:80"]
)
def test_a_short_name_is_expanded_when_it_names_a_known_service(authority: str) -> None:
    known = entry(authority="x", pod="other-1", workload="other")
    lost = entry(20, authority=authority, upstream_cluster=None, response_code=404)
    assert closed(known, lost).moments["destination"].to_list() == [ORDERS]


def test_a_short_name_is_the_callers_namespaces_service_when_several_bear_it() -> None:
    other = entry(upstream_cluster="outbound|80||orders.bank.svc.cluster.local", authority="y")
    lost = {"upstream_cluster": None, "response_code": 404, "authority": "orders"}
    rows = [entry(authority="x"), other, entry(20, **lost), entry(20, **lost, namespace="zoo")]
    assert set(closed(*rows).moments["destination"]) == {ORDERS, "unknown"}


def test_scanners_names_all_become_unknown() -> None:
    rows = [
        entry(authority=f"{n}.evil.example", upstream_cluster=None, response_code=404,
              response_flags="NR")
        for n in range(500)
    ]  # fmt: skip
    result = closed(*rows)
    assert result.rollup.select("destination", "count").rows() == [("unknown", 500)]
    assert result.moments["count"].to_list() == [500]


def test_a_black_hole_stays_visible_and_a_passthrough_needs_a_known_name() -> None:
    assert series(entry(upstream_cluster="BlackHoleCluster"))[0][2] == "BlackHoleCluster"
    assert series(entry(upstream_cluster="PassthroughCluster"))[0][2] == "unknown"
    assert series(entry(), entry(upstream_cluster="PassthroughCluster"))[0][2] == ORDERS


@pytest.mark.parametrize(
    ("values", "reporter"),
    [
        ({"downstream_local_address": "10.4.1.9:8080"}, "destination"),
        ({"downstream_local_address": "10.0.9.3:80"}, "source"),
        ({"downstream_local_address": "10.4.1.9:15006"}, "destination"),
        ({"requested_server_name": f"outbound_.80_._.{ORDERS}"}, "destination"),
    ],
)
def test_without_a_cluster_the_address_tells_whose_line_it_is(
    values: dict[str, Any], reporter: str
) -> None:
    seen = inbound()
    lost = inbound(second=20, upstream_cluster=None, response_code=404) | values
    assert closed(seen, lost).moments["reporter"].to_list() == [reporter]


def test_an_error_keeps_pod_millisecond_and_upstream_address() -> None:
    moments = closed(entry(1.234, response_code=503, response_flags="URX,UF")).moments
    row = moments.row(0, named=True)
    assert row["time"] == START + timedelta(seconds=1.234)
    assert (row["source_pod"], row["destination_pod"]) == ("web-6d9f8c7b5d-abcde", "10.4.1.9")
    assert (row["signal"], row["response_flags"]) == ("UF", "UF,URX")


def test_identical_errors_are_one_moment_with_a_count() -> None:
    failure = entry(1.5, response_code=500)
    assert closed(failure, failure, failure).moments["count"].to_list() == [3]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("authority", "n{}.evil.example"),
        ("requested_server_name", "outbound_.80_._.n{}.evil.example"),
        ("downstream_local_address", "10.0.{}.1:80"),
    ],
)
def test_names_beyond_the_bound_are_counted_as_unknown_ones(column: str, name: str) -> None:
    rollup = Rollup(max_names=5)
    rows = [
        entry(0.0, **{"upstream_cluster": None, "authority": None, column: name.format(n)})
        for n in range(40)
    ]
    result = closed(*rows, rollup=rollup)
    assert result.rollup["count"].sum() == 40
    assert result.rollup["destination"].n_unique() <= 6
    assert rollup.folded >= 35


@given(st.permutations(range(8)), st.integers(1, 7))
def test_too_many_authorities_in_a_bucket_keep_the_same_ones_in_any_order(
    order: list[int], cut: int
) -> None:
    rows = pl.DataFrame(
        {"bucket": [0] * 8, "authority": [f"a{n}" for n in order], "count": [1] * 8}
    )
    groups = Groups(["bucket", "authority"], max_names=3)
    for part in (rows[:cut], rows[cut:]):
        groups.add(part)
        groups.summed()
    table = groups.summed()
    reference = Groups(["bucket", "authority"], max_names=3)
    reference.add(rows.sort("authority"))
    expected = reference.summed()
    assert table is not None
    assert expected is not None
    assert table.sort("authority").equals(expected.sort("authority"))
    assert table["count"].sum() == 8
    assert table["authority"].drop_nulls().n_unique() == 3


@pytest.mark.no_cover
@settings(max_examples=30, deadline=None)
@given(st.permutations(range(40)), st.integers(1, 39))
def test_a_flood_of_errors_gets_coarser_times_but_exact_counts(order: list[int], cut: int) -> None:
    rollup = Rollup()
    rollup._moments = Moments(max_rows=10)
    failures = [entry(n / 5, response_code=500) for n in order]
    rollup.add(entries(failures[:cut]))
    rollup._moments._bound()
    rollup.add(entries(failures[cut:]))
    moments = rollup.close(END).moments
    assert moments["count"].sum() == 40
    assert moments["time"].to_list() == [START + timedelta(seconds=n) for n in range(8)]
