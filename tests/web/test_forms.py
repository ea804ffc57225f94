"""Forms of the pages without any script: who may send them, what they change, and only once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from detector.settings import Settings, WebSettings
from tests.web.conftest import fill, speaking
from tests.web.test_access import AMPLE, token

REASON = {"reason": "known", "owner": "ann", "lasts_s": "3600"}


class Forms(HTMLParser):
    """The forms of a page with the fields that they would send unchanged."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}
        self._area = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = self.found[told["action"]] = {}
        elif tag == "input" and "name" in told:
            self._fields[told["name"]] = told.get("value", "")
        elif tag == "textarea":
            self._area = told["name"]
            self._fields[self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self._fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        self._area = "" if tag == "textarea" else self._area


class Incident:
    """The page of an incident, as somebody without scripts uses it."""

    def __init__(self, client: httpx.Client, number: int) -> None:
        self.client = client
        self.id = f"i{number:011}"
        self.path = f"/incidents/{self.id}"

    def forms(self) -> dict[str, dict[str, str]]:
        answer = self.client.get(self.path)
        assert answer.status_code == 200
        return Forms(answer.text).found

    def send(self, name: str, **changes: str) -> httpx.Response:
        return self.post(name, self.forms()[f"{self.path}/{name}"] | changes)

    def post(self, name: str, fields: dict[str, str]) -> httpx.Response:
        return self.client.post(f"{self.path}/{name}", data=fields)

    def told(self) -> dict[str, object]:
        answer = self.client.get(f"/v1{self.path}").json()
        assert isinstance(answer, dict)
        return answer

    def audited(self, subject: str = "") -> list[str]:
        found = self.client.get("/v1/audit", params={"subject": subject or self.id}).json()
        return [one["action"] for one in reversed(found["items"])]


def words(answer: httpx.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_an_incident_is_taken_handed_over_and_left(writer: httpx.Client) -> None:
    page = Incident(writer, 1)

    taken = page.send("acknowledge", note="on it")

    assert (taken.status_code, taken.headers["location"]) == (303, f"{page.path}#people")
    assert "local , since" in words(writer.get(page.path))
    assert page.send("acknowledge", note="after lunch").status_code == 303
    assert "after lunch" in words(writer.get(page.path))
    assert page.send("unacknowledge").status_code == 303
    assert page.told()["acknowledgement"] is None
    assert page.audited() == [*["incident.acknowledge"] * 2, "incident.unacknowledge"]


def test_what_an_incident_was_is_said_changed_and_taken_back(writer: httpx.Client) -> None:
    page = Incident(writer, 2)

    for verdict, told in (("false", "A false alarm"), ("expected", "To be expected")):
        assert page.send("feedback", verdict=verdict).status_code == 303
        assert f"{told} , says local" in words(writer.get(page.path))
    assert page.send("feedback", verdict="none").status_code == 303

    assert page.told()["feedback"] is None
    assert page.audited() == [*["incident.feedback"] * 2, "incident.feedback.withdraw"]


def test_a_silence_is_prefilled_to_hold_the_incident_back_and_ends_by_a_button(
    writer: httpx.Client,
) -> None:
    page = Incident(writer, 3)
    assert page.forms()[f"{page.path}/silence"]["service"] == "cart.shop.svc.cluster.local"

    assert page.send("silence", **REASON).status_code == 303

    assert "by ann: “known”" in words(writer.get(page.path))
    held = page.told()["silenced_by"]
    assert isinstance(held, list)
    assert page.send("unsilence").status_code == 303
    assert page.told()["silenced_by"] == []
    assert page.audited(held[0]) == ["silence.create", "silence.end"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reason": " "}, "reason"),
        ({"owner": ""}, "owner"),
        ({"lasts_s": ""}, "A silence has to end"),
        ({"lasts_s": "9e9"}, "lasts_s"),
        ({"service": "", "signal": ""}, "A matcher has to name something"),
    ],
)
def test_a_silence_without_reason_owner_end_or_aim_is_refused_by_name(
    writer: httpx.Client, changes: dict[str, str], told: str
) -> None:
    refused = Incident(writer, 4).send("silence", **REASON | changes)

    assert refused.status_code == 422
    assert told in words(refused)
    assert f'href="{Incident(writer, 4).path}#people"' in refused.text


def test_a_form_sent_twice_acts_once_and_again_from_a_new_page(writer: httpx.Client) -> None:
    page = Incident(writer, 5)
    fields = page.forms()[f"{page.path}/silence"] | REASON

    for _ in range(2):
        assert page.post("silence", fields).status_code == 303
    held = page.told()["silenced_by"]
    assert page.send("silence", **REASON).status_code == 303

    assert isinstance(held, list)
    assert len(held) == 1
    both = page.told()["silenced_by"]
    assert isinstance(both, list)
    assert len(both) == 2
    while f"{page.path}/unsilence" in page.forms():
        page.send("unsilence")


def test_a_page_that_somebody_else_has_overtaken_changes_nothing(writer: httpx.Client) -> None:
    page = Incident(writer, 6)
    old = page.forms()[f"{page.path}/feedback"]
    page.send("feedback", verdict="true")

    late = page.post("feedback", old | {"verdict": "false"})

    assert late.status_code == 428
    assert "Somebody else was quicker" in words(late)
    assert "A true incident" in words(writer.get(page.path))


@pytest.mark.parametrize(
    ("path", "content", "kind", "status"),
    [
        ("/incidents/none/acknowledge", b"", "application/x-www-form-urlencoded", 404),
        ("/incidents/i00000000001/feedback", b"verdict=true", "text/plain", 415),
        (
            "/incidents/i00000000001/feedback",
            b"verdict=x",
            "application/x-www-form-urlencoded",
            422,
        ),
        (
            "/incidents/i00000000001/feedback",
            b"a=1&" * 60,
            "application/x-www-form-urlencoded",
            400,
        ),
        ("/incidents/i00000000001/feedback", b"\xff=1", "application/x-www-form-urlencoded", 400),
        ("/incidents/i00000000001/unsilence", b"", "application/x-www-form-urlencoded", 404),
    ],
)
def test_what_no_form_of_ours_would_send_is_refused_as_a_page(
    writer: httpx.Client, path: str, content: bytes, kind: str, status: int
) -> None:
    answer = writer.post(path, content=content, headers={"Content-Type": kind})

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
def test_a_page_of_another_site_can_send_no_form(
    writer: httpx.Client, headers: dict[str, str]
) -> None:
    for path in (f"{Incident(writer, 7).path}/acknowledge", "/sign-in", "/sign-out"):
        answer = writer.post(path, data={"seen": "0"}, headers=headers)

        assert answer.status_code == 403
    assert Incident(writer, 7).told()["acknowledgement"] is None


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, httpx.Client]]:
    """A store's address, and a client of a server beyond loopback over it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('guarded') / 'store.db'}"
    fill(url)
    with speaking(url, Settings(web=AMPLE)) as client:
        yield url, client


def sign_in(client: httpx.Client, secret: str, target: str = "/") -> httpx.Response:
    client.cookies.clear()
    return client.post("/sign-in", data={"token": secret, "next": target})


def test_beyond_loopback_a_page_asks_for_a_token_and_leads_back(
    guarded: tuple[str, httpx.Client],
) -> None:
    url, client = guarded
    client.cookies.clear()
    asked = client.get("/incidents?q=cart")
    assert asked.status_code == 303
    where = asked.headers["location"]
    assert dict(parse_qsl(urlsplit(where).query)) == {"next": "/incidents?q=cart"}
    fields = Forms(client.get(where).text).found["/sign-in"]

    entered = client.post("/sign-in", data=fields | {"token": token(url, "read")})

    assert (entered.status_code, entered.headers["location"]) == (303, "/incidents?q=cart")
    assert client.get("/incidents?q=cart").status_code == 200
    assert client.get(where).headers["location"] == "/incidents?q=cart"


def test_the_token_is_kept_where_no_script_reads_it_and_not_for_ever(
    guarded: tuple[str, httpx.Client],
) -> None:
    url, client = guarded
    for days, most in ((30.0, 12 * 3600), (1 / 24, 3600)):
        secret = token(url, "write", days=days)
        answer = sign_in(client, secret)
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        age = re.search(r"Max-Age=(\d+)", cookie)
        assert age is not None
        assert most - 60 <= int(age[1]) <= most
        assert secret not in answer.text + answer.headers["location"]
        assert secret not in client.get("/").text


def test_behind_https_the_cookie_never_travels_without(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('https') / 'store.db'}"
    fill(url)
    web = WebSettings(host="0.0.0.0", base_url="https://pushwake.example")
    with speaking(url, Settings(web=web)) as client:
        assert "Secure" in sign_in(client, token(url, "read")).headers["set-cookie"]


def test_who_may_look_sees_no_form_and_who_may_write_acts_under_their_own_name(
    guarded: tuple[str, httpx.Client],
) -> None:
    url, client = guarded
    page = Incident(client, 1)
    sign_in(client, token(url, "read"))
    assert list(page.forms()) == ["/sign-out"]
    assert page.post("acknowledge", {"seen": "0"}).status_code == 403
    assert "yours may only look" in words(client.get(page.path))

    sign_in(client, token(url, "write"))

    assert page.send("acknowledge").status_code == 303
    assert "a writeer looks after it" in words(client.get(page.path))


def test_signing_out_forgets_the_token(guarded: tuple[str, httpx.Client]) -> None:
    url, client = guarded
    sign_in(client, token(url, "read"))

    left = client.post("/sign-out")

    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    assert client.get("/").status_code == 303
    assert not client.cookies


@pytest.mark.parametrize("secret", ["", "nonsense", "expired"])
def test_a_token_that_opens_nothing_is_told_so(
    guarded: tuple[str, httpx.Client], secret: str
) -> None:
    url, client = guarded
    shown = token(url, "read", days=-1) if secret == "expired" else secret

    answer = sign_in(client, shown)

    assert answer.status_code == 401
    assert "not known, has expired or was revoked" in words(answer)
    assert "set-cookie" not in answer.headers
    assert not shown or shown not in answer.text


def test_a_session_that_has_ended_leads_from_a_form_to_its_page(
    guarded: tuple[str, httpx.Client],
) -> None:
    _, client = guarded
    client.cookies.clear()

    answer = Incident(client, 1).post("acknowledge", {"seen": "0"})

    assert answer.headers["location"] == "/sign-in?next=%2Fincidents%2Fi00000000001"


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", ""]
)
def test_signing_in_leads_nowhere_else(guarded: tuple[str, httpx.Client], target: str) -> None:
    url, client = guarded

    assert sign_in(client, token(url, "read"), target).headers["location"] == "/"


def test_programs_are_refused_as_before(guarded: tuple[str, httpx.Client]) -> None:
    _, client = guarded
    client.cookies.clear()

    for path in ("/v1/incidents", "/openapi.json"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
