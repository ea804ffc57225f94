"""Whatever the version prints, one fault has one name."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.normalise import (
    canonical_details,
    canonical_flags,
    cluster_parts,
    host_expr,
    signal_expr,
    signal_of,
    sni_host_expr,
)

FLAGS = ["-", "UF", "URX", "UF,URX", "DC", "DC,UC", "DI", "RFCF", "DI,UT", "NR", "XYZQ", "NC"]


@pytest.mark.parametrize(
    ("code", "printed", "details", "canonical"),
    [
        (503, "URX,UF", "via_upstream", "UF,URX"),
        (503, "NR", "cluster_not_found", "NC"),
        (503, "NR", None, "NC"),
        (503, "NR", "route_not_found", "NR"),
        (404, "NR", None, "NR"),
        (0, "NR", "filter_chain_not_found", "NR"),
        (503, "UC", "upstream_reset_before_response_started{protocol_error}", "UPE"),
        (503, "UC", "upstream_reset_before_response_started{connection_termination}", "UC"),
        (0, "DR", "http2.remote_reset", "DC"),
        (200, "-", None, "-"),
        (200, "", None, "-"),
        (503, "ZZTOP", None, "ZZTOP"),
    ],
)
def test_versions_names_for_one_fault_become_one(
    code: int, printed: str, details: str | None, canonical: str
) -> None:
    assert canonical_flags(code, printed, details) == canonical


@pytest.mark.parametrize(
    ("code", "flags", "signal"),
    [
        (200, "-", None),
        (0, "-", None),
        (404, "-", "404"),
        (503, "UF,URX", "UF"),
        (503, "URX", "URX"),
        (200, "UF", "UF"),
        (0, "DC", "DC"),
        (503, "DC,UC", "UC"),
        (200, "DI", None),
        (200, "RFCF", None),
        (503, "DI", "503"),
        (504, "DI,UT", "UT"),
        (500, "NEWFLAG", "NEWFLAG"),
    ],
)
def test_the_signal_is_the_most_specific_flag_else_the_code(
    code: int, flags: str, signal: str | None
) -> None:
    assert signal_of(code, flags) == signal


@given(st.lists(st.tuples(st.integers(0, 599), st.sampled_from(FLAGS)), max_size=20))
def test_the_signal_of_a_column_is_that_of_each_row(rows: list[tuple[int, str]]) -> None:
    frame = pl.DataFrame(rows, schema={"code": pl.Int32, "flags": pl.String}, orient="row")
    column = frame.select(signal_expr(pl.col("code"), pl.col("flags"))).to_series()
    assert column.to_list() == [signal_of(code, flags) for code, flags in rows]


@pytest.mark.parametrize(
    "details",
    [
        "upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_111}",
        "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_113}",
        "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_"
        "111|remote_address:10.4.1.9:8080}",
    ],
)
def test_details_lose_addresses_error_numbers_and_their_versions_punctuation(details: str) -> None:
    assert canonical_details(details, None, "UF", 0) == (
        "upstream_reset_before_response_started,remote_connection_failure,delayed_connect_error"
    )


@pytest.mark.parametrize(
    "reason",
    [
        "TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
        "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end",
    ],
)
def test_old_and_new_spellings_of_a_tls_fault_are_one(reason: str) -> None:
    assert canonical_details(None, reason, "UF", 91) == "CERTIFICATE_VERIFY_FAILED"


def test_a_reason_that_the_details_hold_already_is_not_said_twice() -> None:
    said = canonical_details(
        "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_"
        "Connection_refused}",
        "delayed_connect_error:_Connection_refused",
        "UF",
        0,
    )
    assert said is not None
    assert said.count("Connection_refused") == 1


@pytest.mark.parametrize(
    ("flags", "sent", "hint"),
    [
        ("UC", 95, "hint:connection_termination"),
        ("UF,URX", 91, "hint:connection_failure"),
        ("UF", 159, "hint:connection_failure,Secret_is_not_supplied_by_SDS"),
        ("NC", 0, "hint:cluster_not_found"),
        ("UC", 96, None),
        ("-", 95, None),
    ],
)
def test_without_details_the_length_of_envoys_own_answer_is_a_hint(
    flags: str, sent: int, hint: str | None
) -> None:
    assert canonical_details(None, None, flags, sent) == hint


def test_a_line_with_details_needs_no_hint() -> None:
    assert canonical_details("via_upstream", None, "UC", 95) == "via_upstream"


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Orders.Shop:80", "orders.shop"),
        ("orders.", "orders"),
        ("[2001:db8::1]:443", "[2001:db8::1]"),
        (None, None),
    ],
)
def test_a_host_is_lower_case_without_port_and_final_dot(
    authority: str | None, host: str | None
) -> None:
    frame = pl.DataFrame({"name": [authority]}, schema={"name": pl.String})
    assert frame.select(host_expr(pl.col("name"))).item() == host


@pytest.mark.parametrize(
    ("cluster", "parts"),
    [
        (
            "outbound|80||orders.shop.svc.cluster.local",
            ("outbound", "80", "orders.shop.svc.cluster.local"),
        ),
        (
            "outbound|80|v2|orders.shop.svc.cluster.local;",
            ("outbound", "80", "orders.shop.svc.cluster.local"),
        ),
        ("inbound|8080||", ("inbound", "8080", None)),
        (
            "inbound|80|http|orders.shop.svc.cluster.local",
            ("inbound", "80", "orders.shop.svc.cluster.local"),
        ),
        ("PassthroughCluster", ("PassthroughCluster", None, None)),
        (None, (None, None, None)),
    ],
)
def test_a_clusters_name_comes_apart(
    cluster: str | None, parts: tuple[str | None, str | None, str | None]
) -> None:
    frame = pl.DataFrame({"cluster": [cluster]}, schema={"cluster": pl.String})
    direction, port, host = cluster_parts(pl.col("cluster"))
    row = frame.select(direction.alias("a"), port.alias("b"), host.alias("c")).row(0)
    assert row == parts


def test_only_the_meshs_own_server_names_tell_a_service() -> None:
    names = ["outbound_.9080_.v1_.cart.default.svc.cluster.local", "shop.example.com", None]
    frame = pl.DataFrame({"sni": names}).select(sni_host_expr(pl.col("sni")))
    assert frame.to_series().to_list() == ["cart.default.svc.cluster.local", None, None]
