from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.redaction import path_shape, redact
from detector.settings import RedactionSettings

DEFAULTS = RedactionSettings()
ENTRY = {
    "start_time": datetime(2026, 11, 23, 5, 39, 48, 123000, tzinfo=UTC),
    "method": "GET",
    "path": "/cart/u59/items/3f0c2a?token=s3cret",
    "protocol": "HTTP/1.1",
    "response_code": 503,
    "response_flags": ["UF", "URX"],
    "response_code_details": "upstream_reset{remote_connection_failure|remote_address:10.1.2.3:80}",
    "upstream_transport_failure_reason": "delayed connect error: 111",
    "duration_ms": 12,
    "authority": "cart:9080",
    "upstream_cluster": "outbound|9080||cart.default.svc.cluster.local",
    "x_forwarded_for": "192.0.2.7",
    "user_agent": "canary-agent",
    "request_id": "canary-request",
    "downstream_remote_address": "192.0.2.7:4444",
}


def test_an_exemplar_keeps_what_tells_of_the_fault() -> None:
    line = redact(ENTRY, "frontend-v1-abc", DEFAULTS)
    for fact in ("05:39:48.123Z", "frontend-v1-abc", "503", "UF,URX", "delayed connect error: 111"):
        assert fact in line
    assert '"GET /cart/…/items/…?… HTTP/1.1"' in line
    assert "outbound|9080||cart.default.svc.cluster.local" in line


@pytest.mark.parametrize(
    "secret", ["s3cret", "u59", "3f0c2a", "10.1.2.3", "192.0.2.7", "canary-agent", "canary-request"]
)
def test_an_exemplar_shows_nothing_of_the_users(secret: str) -> None:
    assert secret not in redact(ENTRY, "frontend-v1-abc", DEFAULTS)


def test_addresses_and_queries_are_shown_when_the_settings_say_so() -> None:
    open_settings = RedactionSettings(query_strings=False, addresses=False)
    line = redact(ENTRY, None, open_settings)
    assert "10.1.2.3:80" in line
    assert "?token=s3cret" in line


def test_own_patterns_hide_more() -> None:
    line = redact(ENTRY, None, RedactionSettings(patterns=(r"cart\b",)))
    assert "cart" not in line


def test_ipv6_addresses_and_mail_names_are_hidden() -> None:
    entry = ENTRY | {
        "path": "/users/ann@example.org",
        "response_code_details": "remote_address:[2001:db8::17]:443",
    }
    line = redact(entry, None, DEFAULTS)
    assert "2001:db8" not in line
    assert "ann@" not in line


@given(st.text(max_size=300))
def test_no_digit_of_a_path_survives_but_in_an_api_version(path: str) -> None:
    for segment in path_shape(path).split("/"):
        assert not any(c.isdigit() for c in segment) or segment.startswith("v")


@given(st.dictionaries(st.sampled_from(sorted(ENTRY)), st.none() | st.text(max_size=50)))
def test_any_entry_gives_one_printable_line(fields: dict[str, str | None]) -> None:
    assert "\n" not in redact(fields, None, DEFAULTS)
