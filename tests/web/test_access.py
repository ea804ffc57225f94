"""Who may do what: tokens and their scopes, other sites, too many requests, and what is said."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import clock
from detector.cli import main
from detector.settings import Settings, StoreSettings, WebSettings
from detector.store.marks import marking
from detector.store.tokens import PREFIX, SCOPES, Scope, allowed, create_token
from detector.web.access import scope_for
from detector.web.rates import MANY, Rates
from tests.web.conftest import fill, speaking

AMPLE = WebSettings(host="0.0.0.0", rate_per_s=1e6, burst=1_000_000)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('access') / 'store.db'}"
    fill(url)
    return url


def token(url: str, scope: Scope, *, days: float = 1) -> str:
    now = clock.now()
    with marking(StoreSettings(url=url)) as connection:
        return create_token(connection, f"a {scope}er", scope, now, now + timedelta(days=days))[1]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


REQUESTS = [
    ("GET", "/v1/incidents", "read", 200),
    ("POST", "/v1/windows", "gate", 201),
    ("POST", "/v1/incidents/i00000000001/acknowledgement", "write", 200),
    ("GET", "/v1/audit", "admin", 200),
]


def test_beyond_loopback_every_request_needs_a_token_of_its_scope(url: str) -> None:
    secrets = {scope: token(url, scope) for scope in SCOPES}
    with speaking(url, Settings(web=AMPLE)) as client:
        for method, path, wanted, good in REQUESTS:
            refused = client.request(method, path)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert refused.headers["content-type"] == "application/problem+json"
            for scope in SCOPES:
                headers = bearer(secrets[scope]) | {"If-None-Match": '"x"'}
                answer = client.request(method, path, headers=headers)
                may = SCOPES.index(scope) >= SCOPES.index(wanted)
                expected = good if may else 403
                if path.endswith("acknowledgement") and scope == "admin":
                    expected = 428  # the writer's stands already
                assert answer.status_code == expected, (method, path, scope, answer.text)
        by = client.get("/v1/audit", headers=bearer(secrets["admin"])).json()["items"][0]["by"]
        assert by == "a writeer"


def test_a_token_that_is_unknown_expired_or_revoked_opens_nothing_not_even_on_loopback(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, old = token(url, "read"), token(url, "admin", days=-1)
    with speaking(url) as client:
        assert client.get("/v1/windows", headers=bearer(good)).status_code == 200
        for bad in (old, good + "x", "nonsense", "pushwake_"):
            assert client.get("/v1/windows", headers=bearer(bad)).status_code == 401
        assert main(["token", "--store", url, "revoke", good.split("_")[1]]) == 0
        assert client.get("/v1/windows", headers=bearer(good)).status_code == 401
        kept = {"Cookie": f"pushwake={good}"}
        assert client.get("/v1/windows", headers=kept).status_code == 401
    assert main(["token", "--store", url, "revoke", "none"]) == 3
    assert "pushwake token list" in capsys.readouterr().err


def test_a_token_made_on_the_command_line_is_shown_once_and_kept_only_as_a_digest(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "--store", url, "create", "ci", "--scope", "gate", "--days", "0"]) == 0
    told = capsys.readouterr()
    secret = told.out.strip()
    assert secret.startswith(PREFIX)
    assert secret not in told.err
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        assert secret not in "\n".join(connection.iterdump())
    assert main(["token", "--store", url, "list"]) == 0
    listed = capsys.readouterr().out
    assert "ci" in listed
    assert secret.rpartition("_")[2] not in listed
    with speaking(url, Settings(web=AMPLE)) as client:
        assert client.post("/v1/windows", headers=bearer(secret)).status_code == 201


def test_a_token_needs_a_name_and_a_store(tmp_path: Path, url: str) -> None:
    assert main(["token", "--store", url, "create", " "]) == 3
    assert main(["token", "--store", f"sqlite:///{tmp_path / 'none.db'}", "list"]) == 4
    with pytest.raises(SystemExit):
        main(["token", "--store", url, "create", "x", "--days", "-1"])


def test_what_is_left_open_to_all_is_open_and_no_more(url: str) -> None:
    with speaking(url, Settings(web=WebSettings(host="0.0.0.0", anonymous="read"))) as client:
        assert client.get("/v1/incidents").status_code == 200
        assert client.post("/v1/windows").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
def test_a_page_of_another_site_changes_nothing(
    url: str, headers: dict[str, str], status: int
) -> None:
    with speaking(url) as client:
        assert client.post("/v1/windows", headers=headers).status_code == status


def test_a_name_that_is_not_ours_reaches_nothing_on_loopback(url: str) -> None:
    named = Settings(web=WebSettings(hosts=("pushwake.test",)))
    with speaking(url, named) as client:
        for host, status in (("evil.example", 403), ("pushwake.test", 200), ("[::1]:1", 200)):
            assert client.get("/v1/windows", headers={"Host": host}).status_code == status


def test_too_many_requests_are_told_when_to_come_again(url: str) -> None:
    with speaking(url, Settings(web=WebSettings(rate_per_s=0.5, burst=3))) as client:
        answers = [client.get("/v1/windows") for _ in range(4)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert answers[3].headers["retry-after"] in {"1", "2"}
        assert client.get("/static/none").status_code == 404
        mine = bearer(token(url, "read"))
        assert client.get("/v1/windows", headers=mine).status_code == 200


@pytest.mark.parametrize("path", ["/v1/incidents", "/v1/none", "/v1/windows?x=1"])
def test_every_answer_carries_an_id_and_forbids_browsers_to_guess_or_frame_it(
    client: httpx.Client, path: str
) -> None:
    headers = client.get(path).headers
    assert len(headers["x-request-id"]) == 16
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers or "uvicorn" in headers["server"]
    assert "access-control-allow-origin" not in headers


def test_a_problem_names_the_request_as_the_header_does(client: httpx.Client) -> None:
    answer = client.get("/v1/none")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@given(st.sampled_from(SCOPES), st.sampled_from(SCOPES))
def test_a_scope_includes_those_below_it(one: Scope, other: Scope) -> None:
    assert allowed(one, other) or allowed(other, one)
    assert allowed("admin", one)
    assert allowed(one, "read")


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/livez", None),
        ("GET", "/livezz", "read"),
        ("GET", "/static/a.js", None),
        ("GET", "/", "read"),
        ("POST", "/v1/windows/x/close", "gate"),
        ("POST", "/v1/windowsx", "write"),
        ("DELETE", "/v1/audit", "admin"),
        ("PATCH", "/anything", "write"),
    ],
)
def test_what_is_not_known_needs_a_token_too(method: str, path: str, wanted: str | None) -> None:
    assert scope_for(method, path) == wanted


@given(st.floats(0.1, 100), st.integers(1, 50), st.lists(st.floats(0, 10), max_size=60))
def test_nobody_gets_more_than_the_burst_and_the_rate(
    per_s: float, burst: int, pauses: list[float]
) -> None:
    now = 0.0
    rates = Rates(per_s, burst, lambda: now)
    taken = 0
    for pause in pauses:
        now += pause
        taken += rates.take("x") == 0
    assert taken <= burst + per_s * now + 1e-6


def test_of_many_clients_those_that_are_gone_are_forgotten() -> None:
    rates = Rates(1, 1, lambda: 0.0)
    for n in range(MANY + 5):
        assert rates.take(str(n)) == 0
    assert rates.take(str(MANY)) == 1
    assert rates.take("0") == 0
