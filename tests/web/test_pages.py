"""The pages over real HTTP, without a browser: what they say, and what they forbid."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from detector.details import DetailLog
from detector.reconciliation import IstiodRow, LedgerRows, ProxyRow
from detector.report import wording
from detector.store import Step, Store
from detector.types import Share
from detector.web.pages import assets
from tests.detector import report_samples as samples
from tests.web.conftest import served

EVIL = "<img src=x onerror=alert(1)>'\"&</script><script>alert(2)</script>{{7*7}}\x1b[31m\u202e"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    url = f"sqlite:///{tmp_path_factory.mktemp('pages') / 'store.db'}"
    incident = replace(
        samples.incident(),
        shares={samples.CART: Share(20, 100, 0.1), samples.PAYMENTS: Share(10, 60, 0.1)},
    )
    hostile = [one._replace(destination=EVIL, source=EVIL, signal=EVIL) for one in incident.series]
    evil = replace(
        incident,
        id="evil",
        status="open",
        ended_at=None,
        series=hostile,
        shares={EVIL: Share(1, 1, 0)},
        exemplars=[EVIL],
        attribution=replace(incident.attribution, window=None, evidence=[EVIL], against=[EVIL]),
    )
    log = DetailLog(samples.at(3600) - samples.START)
    log.note(incident, samples.history(), samples.moments())
    with Store.open(url) as store:
        store.commit(
            Step(
                incidents=[incident, evil],
                windows=[samples.window()],
                details=log.take(),
                ledger=a_ledger(),
                time=samples.at(120),
                first=samples.START,
                rejects={"no time": 7},
            )
        )
    with served("--store", url) as base, httpx.Client(base_url=base, timeout=60) as client:
        yield client


def a_ledger() -> LedgerRows:
    at = samples.START
    stale = ProxyRow(
        name="web-1.default",
        pod="web-1",
        namespace="default",
        workload="web",
        istiod="istiod-a",
        version="1.26.4",
        connected=True,
        seen_at=at,
        nacked_at=at,
        error=EVIL,
        pushed={"CDS": at},
    )
    fine = [
        ProxyRow(name=f"pod-{n:03}.default", pod=f"pod-{n:03}", version="1.27.1", seen_at=at)
        for n in range(120)
    ]
    plane = IstiodRow(name="istiod-a", version="1.27.1", started_at=at, seen_at=at)
    return LedgerRows([stale, *fine], [], [plane], [])


def words(answer: httpx.Response) -> str:
    bare = re.sub(r"<script.*?</script>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(bare.replace("&#39;", "'").split())


def test_the_first_page_says_what_is_broken_and_how_far_the_input_goes(
    pages: httpx.Client,
) -> None:
    told = words(pages.get("/"))

    assert "1 incident is open" in told
    assert "7 records not understood" in told
    assert "No worker writes this store now." in told
    assert "5 of 6 proxies reconciled, 1 refused" in told
    assert "29.8 errors beyond expectation" in told or "30 errors beyond expectation" in told


def test_the_page_of_an_incident_says_all_that_is_known(pages: httpx.Client) -> None:
    told = words(pages.get(f"/incidents/{samples.incident().id}"))

    assert wording.tell(samples.incident()).replace(" (confidence 97%).", "") in told
    for part in (
        "Best argument against",
        "Known fault: Routes before clusters",
        "NC errors around each proxy's own reconnect",
        "By version of client and server",
        "server 1.27.1",
        "503 NC cluster_not_found",
    ):
        assert part in told


def test_names_out_of_logs_never_become_markup(pages: httpx.Client) -> None:
    hosts = f"/services/{quote(EVIL)}"
    for path in (
        "/",
        "/incidents",
        "/incidents/evil",
        "/services",
        hosts,
        "/proxies/web-1.default",
    ):
        answer = pages.get(path)

        assert "<img" not in answer.text
        assert "alert(2)</script>" not in answer.text
        assert "\x1b" not in answer.text


def test_pages_forbid_whatever_does_not_come_from_here(pages: httpx.Client) -> None:
    for path in ("/", "/incidents", "/incidents/none"):
        policy = pages.get(path).headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_a_page_that_has_not_changed_is_not_sent_again(pages: httpx.Client) -> None:
    first = pages.get("/incidents")

    again = pages.get("/incidents", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


def test_the_list_of_windows_says_what_each_cost_beside_the_others(pages: httpx.Client) -> None:
    told = words(pages.get("/windows"))

    assert "Istiod upgrade 1.26.4 → 1.27.1 cost 30 requests." in told
    assert "30 requests on cart.default, payments.default" in told
    assert "No window fits" in words(pages.get("/windows?kind=nack"))


def test_the_page_of_a_window_says_what_it_cost_each_service(pages: httpx.Client) -> None:
    told = words(pages.get("/windows/w1"))

    assert "cost 30 requests on cart.default, payments.default" in told
    assert "cart.default 20 payments.default 10" in told
    assert "No other istiod upgrade was seen to compare with." in told
    assert pages.get("/windows/none").status_code == 404


def test_a_window_that_was_only_announced_has_a_page(pages: httpx.Client) -> None:
    body = {"kind": "manual", "note": "moving the revision tag"}
    made = pages.post("/v1/windows", json=body)

    told = words(pages.get(f"/windows/{made.json()['id']}"))

    assert "moving the revision tag" in told
    assert "nothing beyond what is normal" in told


def test_services_are_listed_with_what_they_suffered(pages: httpx.Client) -> None:
    told = words(pages.get("/services?q=cart"))

    assert "cart.default" in told
    assert "payments" not in told
    assert "is fine now" in words(pages.get(f"/services/{samples.CART}"))
    assert pages.get("/services/nobody").status_code == 404


def test_the_ledger_is_told_page_by_page_and_says_who_is_stale(pages: httpx.Client) -> None:
    first = pages.get("/proxies")

    assert "121 proxies, 1 stale" in words(first)
    older = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert older is not None
    second = pages.get(older[1].replace("&amp;", "&")).text
    assert "pod-049.default" in first.text
    assert "pod-049.default" not in second
    assert "pod-050.default" in second
    assert "web-1.default" in pages.get("/proxies?stale=true").text
    assert "pod-001.default" not in pages.get("/proxies?stale=true&q=").text


def test_the_page_of_a_proxy_says_what_it_refused(pages: httpx.Client) -> None:
    assert "web-1 is stale Refused configuration" in words(pages.get("/proxies/web-1.default"))
    assert pages.get("/proxies/nobody").status_code == 404


def test_what_is_not_there_is_told_as_a_page(pages: httpx.Client) -> None:
    answer = pages.get("/incidents/none")

    assert answer.status_code == 404
    assert "There is no incident 'none'" in words(answer)


def test_a_parameter_that_is_unknown_is_refused_by_name(pages: httpx.Client) -> None:
    answer = pages.get("/incidents?stauts=open")

    assert answer.status_code == 400
    assert "did you mean status" in words(answer)


def test_fields_of_a_form_that_are_left_empty_mean_nothing(pages: httpx.Client) -> None:
    found = pages.get("/incidents", params={"q": "cart", "status": "", "cause": ""})

    assert samples.incident().id in found.text
    assert "No incident fits" in words(pages.get("/incidents?q=nobody"))


def test_every_file_that_a_page_names_is_served_packed_and_for_ever(pages: httpx.Client) -> None:
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', pages.get("/").text))

    assert len(named) == len(assets.names())
    for address in named:
        answer = pages.get(address)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.content) > 100
    assert pages.get("/static/none").status_code == 404
    assert gzip.decompress(assets.asset("pages.js").packed) == assets.asset("pages.js").body


def test_the_chart_of_an_incident_is_there_as_a_picture(pages: httpx.Client) -> None:
    answer = pages.get(f"/incidents/{samples.incident().id}/chart.png")

    assert answer.content.startswith(b"\x89PNG")


def test_without_a_store_the_page_says_what_to_do(tmp_path: Path) -> None:
    with served("--store", f"sqlite:///{tmp_path / 'none.db'}") as base:
        answer = httpx.get(base)

    assert answer.status_code == 503
    assert "Start the worker" in words(answer)
