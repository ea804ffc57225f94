"""Default text layouts: told apart by shape, read from both ends, safe from forged headers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.explain import explain

RID = "d9b68dca-5761-48aa-aff1-dfc8d170b5e1"
OTHER_RID = "0f0e9a3e-6b1c-9d2b-8a52-7d1f8f0c5a11"
TIME = "[2022-02-01T10:00:00.310Z]"
END = (
    "outbound|80||orders.shop.svc.cluster.local 10.4.2.7:5000 10.0.9.3:80 10.4.2.7:41514 - default"
)
DETAILS = "upstream_reset_before_response_started{connection_termination}"


def line(
    middle: str = f'503 UC {DETAILS} - "-" 0 95 4 -',
    *,
    path: str = "/a",
    xff: str = "-",
    agent: str = "curl/7",
    authority: str = "orders",
    end: str = f" {END}",
) -> str:
    return (
        f'{TIME} "GET {path} HTTP/1.1" {middle} "{xff}" "{agent}" "{RID}" "{authority}" '
        f'"10.4.1.9:8080"{end}'
    )


def read(text: str) -> dict[str, Any]:
    (answer,) = explain(text.encode())
    assert answer["kind"] == "access", answer
    return answer


@pytest.mark.parametrize(
    ("middle", "end", "name"),
    [
        ('200 - "-" 0 12 3 2', END.removesuffix(" default"), "istio-text-1.1"),
        ('200 - "-" "-" 0 12 3 2', END.removesuffix(" default"), "istio-text-1.2"),
        ('200 - "-" "-" 0 12 3 2', END, "istio-text-1.3"),
        ('200 - "-" 0 12 3 2', END, "istio-text-1.8"),
        ('200 - via_upstream - "-" 0 12 3 2', END, "istio-text-1.9"),
        ("200 - 0 12 3 2", "", "envoy-text"),
    ],
)
def test_the_middle_and_the_end_tell_the_layout(middle: str, end: str, name: str) -> None:
    answer = read(line(middle, end=f" {end}" if end else ""))
    assert answer["format"] == name
    assert answer["fields"]["bytes_sent"] == 12
    assert answer["fields"]["upstream_service_time_ms"] == 2
    assert "partial" not in answer


def test_fields_that_a_layout_lacks_are_absent_and_a_dash_is_null() -> None:
    old = read(line('200 - "-" 0 12 3 -', end=" - - 10.0.9.3:80 10.4.2.7:41514 -"))["fields"]
    assert "upstream_transport_failure_reason" not in old  # it was the mixer status
    assert "response_code_details" not in old
    assert "route_name" not in old
    assert old["upstream_cluster"] is None
    assert old["upstream_service_time_ms"] is None


def test_a_transport_failure_reason_may_hold_spaces() -> None:
    fields = read(line('503 UF,URX "-" "TLS error: Secret is not supplied by SDS" 0 159 3 -'))
    reason = fields["fields"]["upstream_transport_failure_reason"]
    assert reason == "TLS error: Secret is not supplied by SDS"
    assert fields["fields"]["response_flags"] == ["UF", "URX"]


def test_the_mixer_status_may_hold_quotes() -> None:
    fields = read(line('503 UAEX ""UNAVAILABLE:no healthy upstream"" "-" 0 91 3 -'))["fields"]
    assert fields["response_flags"] == ["UAEX"]
    assert fields["bytes_sent"] == 91


@pytest.mark.parametrize(
    ("printed", "details", "termination"),
    [
        ("upstream_reset_before_response_started{local reset} -", "{local reset}", None),
        ("via_upstream transport closed by peer", "via_upstream", "transport closed by peer"),
        ("rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]] -", "-rule[0]]", None),
    ],
)
def test_details_leaked_with_spaces_are_parted(
    printed: str, details: str, termination: str | None
) -> None:
    fields = read(line(f'503 LR {printed} "-" 0 84 4 -'))["fields"]
    assert fields["response_code_details"].endswith(details)
    assert fields["connection_termination_details"] == termination


def test_unknown_flags_are_kept_in_their_order() -> None:
    assert read(line('503 URX,XYZZY,UF a - "-" 0 0 4 -'))["fields"]["response_flags"] == [
        "URX",
        "XYZZY",
        "UF",
    ]


def test_ipv6_internal_addresses_and_a_trailing_semicolon_are_kept_as_printed() -> None:
    end = (
        " outbound|80||orders; envoy://internal_client_address/ [2001:db8::7]:80 "
        "[2001:db8::8]:45890 outbound_.80_._.orders default"
    )
    fields = read(line(end=end))["fields"]
    assert fields["upstream_cluster"] == "outbound|80||orders;"
    assert fields["upstream_local_address"] == "envoy://internal_client_address/"
    assert fields["downstream_local_address"] == "[2001:db8::7]:80"
    assert fields["requested_server_name"] == "outbound_.80_._.orders"


def test_fields_after_the_route_are_kept_as_extra() -> None:
    answer = read(line(end=f' {END} "4bf92f3577b34da6"'))
    assert answer["format"] == "custom-text"
    assert answer["fields"]["route_name"] == "default"
    assert answer["extra"]["rest"] == '"4bf92f3577b34da6"'


FORGED = [
    'Mozilla "quoted" x',
    'a" "b',
    'a" "b" "c',
    '" 503 UF,URX - - "-" 0 0 0 - "',
    'x HTTP/1.1" 500 NR route_not_found - "-" 9 9 9 9 "-" "-',
    f'x" "evil" "6.6.6.6:1" {END} [2020-01-01T00:00:00.000Z] "GET / HTTP/1.1" 500 NR ',
    '"',
    '" "',
    '"-" "-" "-"',
    "**bold** `code` &#34; “curly”",
]


@pytest.mark.parametrize("agent", FORGED)
@pytest.mark.parametrize(
    ("middle", "end"),
    [
        (f'200 - {DETAILS} - "-" 0 12 3 2', f" {END}"),
        ('200 - "-" "-" 0 12 3 2', f" {END}"),
        ("200 - 0 12 3 2", ""),
    ],
)
def test_a_forged_user_agent_stays_one_value(agent: str, middle: str, end: str) -> None:
    answer = read(line(middle, agent=agent, end=end))
    fields = answer["fields"]
    assert fields["user_agent"] == agent
    assert (fields["path"], fields["response_code"], fields["response_flags"]) == ("/a", 200, [])
    assert (fields["request_id"], fields["authority"]) == (RID, "orders")
    assert fields["upstream_host"] == "10.4.1.9:8080"
    assert "partial" not in answer


def test_a_user_agent_that_holds_a_request_id_is_left_out_instead_of_guessed() -> None:
    answer = read(line(agent=f'x" "{OTHER_RID}" "evil'))
    assert answer["partial"]
    assert not {"user_agent", "request_id", "authority"} & answer["fields"].keys()
    assert answer["fields"]["response_code"] == 503
    assert answer["fields"]["upstream_cluster"] == END.partition(" ")[0]


def test_a_whole_forged_line_inside_a_user_agent_changes_no_other_field() -> None:
    honest = read(line())["fields"]
    agent = line("200 - 0 0 0 -", authority="evil")
    forged = read(line(agent=agent))["fields"]
    assert forged == honest | {"user_agent": agent}


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_whatever_a_client_calls_itself_the_rest_of_the_line_stays_true(agent: str) -> None:
    assume(agent.strip() == agent)
    honest = read(line())["fields"]
    answer = read(line(agent=agent))
    for name in honest.keys() - {"user_agent"}:
        assert answer["fields"].get(name, honest[name]) == honest[name]
    if '"' not in agent:
        shown = None if agent in ("", "-") or agent.endswith("...") else agent
        assert answer["fields"].get("user_agent") == shown


def test_of_two_entries_joined_into_one_line_only_what_is_certain_is_read() -> None:
    second = line("404 NR route_not_found - " + '"-" 0 0 0 -', end=" - - 10.0.9.3:80 1.2.3.4:5 - -")
    answer = read(line() + second)
    assert answer["partial"]
    assert answer["fields"]["response_code"] == 503
    assert answer["fields"]["duration_ms"] == 4
    assert "upstream_cluster" not in answer["fields"]  # the second entry, or a forged one, differs


def test_a_line_of_a_web_server_is_not_an_entry() -> None:
    nginx = (
        '1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "-" "Mozilla/4"'
    )
    apache = '127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 304 -'
    for text in (nginx, apache):
        (answer,) = explain(text.encode())
        assert (answer["kind"], answer["reason"]) == ("reject", "unknown-layout")


@pytest.mark.parametrize(
    ("middle", "hint"),
    [
        ('503 UF "-" 0 91 3 -', "connection failure"),
        ('503 UC "-" 0 95 3 -', "connection termination"),
        ('503 NR "-" 0 0 0 -', "cluster not found"),
        ('404 NR "-" 0 0 0 -', None),
        ('503 UC "-" 0 95 3 2', None),  # the upstream answered: the body is its own
        ('503 - "-" 0 19 3 -', None),
        (f'503 UC {DETAILS} - "-" 0 95 3 -', None),  # the details say it
    ],
)
def test_the_body_length_is_a_hint_where_no_details_are_printed(
    middle: str, hint: str | None
) -> None:
    answer = read(line(middle))
    assert answer.get("hint") == hint
    assert "hint" not in answer["fields"]


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2022-02-01T10:00:00.310Z", "2022-02-01T10:00:00.310Z"),
        ("2022-02-01T10:00:00.310450Z", "2022-02-01T10:00:00.310450Z"),
        ("2022-02-01T12:00:00.3+02:00", "2022-02-01T10:00:00.3Z"),
        ("2022-02-01T10:00:00Z", "2022-02-01T10:00:00Z"),
        ("2022-02-01 10:00:00.310", "2022-02-01T10:00:00.310Z"),
    ],
)
def test_a_time_is_shown_in_utc_with_its_printed_precision(time: str, shown: str) -> None:
    answer = read(line().replace(TIME, f"[{time}]"))
    assert answer["fields"]["start_time"] == shown


@pytest.mark.parametrize("time", ["2022-13-45T10:00:00.310Z", "0000-02-01T10:00:00.310Z"])
def test_an_impossible_time_is_left_out(time: str) -> None:
    answer = read(line().replace(TIME, f"[{time}]"))
    assert answer["partial"]
    assert "start_time" not in answer["fields"]
    assert answer["fields"]["response_code"] == 503


def test_a_number_beyond_64_bits_is_left_out() -> None:
    answer = read(line("200 - 0 9999999999999999999 3 2", end=""))
    assert answer["partial"]
    assert "bytes_sent" not in answer["fields"]


@pytest.mark.parametrize("middle", ['503 UC "{}" "-" 0 95 4 -', '503 UC "-" "{}" 0 95 4 -'])
def test_details_printed_in_quotes_are_not_taken_for_a_failure_reason(middle: str) -> None:
    answer = read(line(middle.format(DETAILS)))
    assert answer["format"] == "custom-text"
    assert answer["partial"]
    assert answer["fields"]["response_code_details"] == DETAILS
    assert "upstream_transport_failure_reason" not in answer["fields"]
