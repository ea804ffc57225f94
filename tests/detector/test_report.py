"""The report page: what it says, what it keeps out, how large it gets, how a browser takes it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from detector.report import wording
from detector.report.detail import IncidentDetail
from detector.report.page import InputSummary, Report, ScoreRow, render
from detector.types import Attribution, Series, Signature
from pipelines import schema
from tests.detector import report_samples as samples

MAX_BYTES = 6_000_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EVIL = "<img src=x onerror=alert(1)>'\"&</script><script>alert(2)</script>{{7*7}}\x1b[31m\u202e"
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Elements, their nesting, ids, headings and text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.badly_nested: list[str] = []
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.badly_nested.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.parts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.parts)

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def specs(page: str) -> list[str]:
    """The charts' specs as they stand in the page."""
    return re.findall(r'<script type="application/json" data-plot="[^"]+">(.*?)</script>', page)


def hostile() -> Report:
    """200 incidents on 500 services whose names are markup, or 10,000 characters long."""
    long = "x" * 10_000
    hosts = [f"{n}{EVIL}{long if n % 7 == 0 else ''}" for n in range(500)]
    series = [Series("source", EVIL, host, EVIL) for host in hosts]
    moments = pl.DataFrame(
        [
            {
                "time": samples.at(n / 20),
                "reporter": "source",
                "source": EVIL + long,
                "source_pod": f"{EVIL}{n}",
                "destination": host,
                "signal": f"{EVIL}{n % 30}",
                "response_code": 503,
                "response_flags": EVIL,
                "details": EVIL,
                "count": n + 1,
            }
            for n, host in enumerate(hosts)
        ],
        schema=schema.MOMENTS,
    )
    window = replace(
        samples.window(),
        from_version=EVIL + long,
        to_version=EVIL,
        revision=EVIL + long,
        reason=EVIL + long,
        reconciled={f"{EVIL}{n}.{EVIL}": samples.START for n in range(500)},
    )
    incident = replace(
        samples.incident(),
        id=EVIL,
        series=series,
        attribution=Attribution(
            "control-plane", window, 0.5, [EVIL + long] * 500, [EVIL + long] * 500
        ),
        signature=Signature(EVIL, EVIL + long, EVIL + long),
        exemplars=[EVIL + long] * 500,
    )
    detail = IncidentDetail(incident, samples.history().clear(), moments)
    return replace(
        samples.a_report(),
        title=EVIL + long,
        version=EVIL + long,
        input=InputSummary(1, 1, {f"{EVIL}{n}": n for n in range(500)}, 1, 1, [EVIL + long] * 500),
        incidents=[detail] * 200,
        windows=[window] * 500,
        scores=[ScoreRow(EVIL, EVIL + long, EVIL, EVIL, 1.0, EVIL, False)] * 300,
    )


def test_the_page_opens_with_the_verdict_on_the_whole_period() -> None:
    page = Outline(render(samples.a_report()))

    assert page.all("h1") == [{"id": "headline"}]
    assert wording.headline([samples.incident()], [samples.window()], 1_200) in page.words


def test_the_page_tells_of_an_incident_all_that_is_known() -> None:
    words = Outline(render(samples.a_report())).words

    assert wording.tell(samples.incident()) in words
    for part in (
        "97% sure",
        "Best argument against: windows of this kind cover 24% of the time",
        "Known fault: Routes before clusters",
        "Upgrade by revision.",
        "30 of 30 errors fall within 3 s of their own proxy's reconnect",
        "only one period was seen",
        "503 NC cluster_not_found",
        "5 of 6 proxies reconciled, 1 refused",
        samples.PODS[0],
        "1,204 lines from shop.log",
        "truncated 3",
    ):
        assert part in words


def test_the_alignment_is_explained_with_its_numbers() -> None:
    words = Outline(render(samples.a_report())).words

    assert "Here 30 of 30 fall in the 30 s after, 0 in the 30 s before." in words
    assert "They hit 5 of the 5 proxies that reconciled." in words


def test_the_numbers_behind_the_charts_stand_in_tables() -> None:
    words = Outline(render(samples.a_report())).words

    assert "time (UTC) NC 05:39:47 4 05:39:49 2" in words
    assert "seconds from reconnect NC 0 20 2 10" in words


def test_a_report_of_counts_alone_says_why_a_chart_is_missing() -> None:
    counts = IncidentDetail(samples.incident(), samples.history(), schema.empty(schema.MOMENTS))
    page = render(replace(samples.a_report(), incidents=[counts]))

    assert "the input carried counts per bucket only" in Outline(page).words
    assert len(specs(page)) == 2


def test_an_incident_without_a_window_says_why_a_chart_is_missing() -> None:
    alone = IncidentDetail(samples.workload_incident(), samples.history(), samples.moments())
    words = Outline(render(replace(samples.a_report(), incidents=[alone], windows=[]))).words

    assert "no reconciliation window with known proxies lies near this incident" in words
    assert "came from the workload itself, not from the control plane" in words
    assert "No argument against was found." in words
    assert "None was seen. Either the control plane was quiet" in words


def test_errors_far_from_every_reconnect_are_said_to_be_so() -> None:
    late = samples.moments().with_columns(pl.col("time") + pl.duration(minutes=2))
    detail = IncidentDetail(samples.incident(), samples.history(), late)
    words = Outline(render(replace(samples.a_report(), incidents=[detail]))).words

    assert "none of these errors came within 30 s of its own proxy's reconnect" in words


def test_an_incident_of_which_nothing_was_kept_still_has_its_page() -> None:
    bare = IncidentDetail(
        samples.incident(), samples.history().clear(), schema.empty(schema.MOMENTS)
    )
    words = Outline(render(replace(samples.a_report(), incidents=[bare]))).words

    assert "there is nothing to draw over time" in words
    assert "Callers: frontend.default." in words


def test_a_quiet_period_is_good_news() -> None:
    words = Outline(render(replace(samples.a_report(), incidents=[]))).words

    assert "The mesh was fine: no incident. 1 reconciliation window passed without harm." in words
    assert "Nothing went beyond what is normal" in words


def test_an_empty_input_is_no_good_news() -> None:
    nothing = InputSummary(lines=7, entries=0, rejects={"no known layout": 7})
    empty = replace(samples.a_report(), input=nothing, incidents=[], windows=[])
    page = render(empty)

    assert "Nothing to judge: no access log entry was read." in Outline(page).words
    assert "no known layout 7" in Outline(page).words
    assert specs(page) == []


def test_scores_are_shown_with_the_misses() -> None:
    rows = [
        ScoreRow("a", "control plane: NC", "NC on cart", "control plane", 9.0, "right", True),
        ScoreRow("b", "control plane: UPE", "nothing", "-", None, "missed", False),
    ]
    words = Outline(render(replace(samples.a_report(), scores=rows))).words

    assert "1 of 2 came out right." in words
    assert "b control plane: UPE nothing - - missed" in words


def test_equal_reports_give_equal_pages() -> None:
    assert render(samples.a_report()) == render(samples.a_report())


def test_nothing_is_loaded_from_anywhere() -> None:
    page = render(samples.a_report())
    outline = Outline(page)
    links = [a.get("href") or a.get("src") for _, a in outline.tags if "href" in a or "src" in a]

    assert links
    assert [link for link in links if not str(link).startswith(("#", "data:,"))] == []
    assert "@import" not in page
    assert "url(" not in page.split("<style>")[1].split("</style>")[0]


def test_only_the_pages_own_scripts_may_run_and_none_may_connect() -> None:
    page = render(samples.a_report())
    meta = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert meta is not None
    policy = html.unescape(meta[1])
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}

    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert len(scripts) == 2


def test_readers_of_every_kind_find_their_way() -> None:
    page = render(samples.a_report())
    outline = Outline(page)
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    regions = [a for _, a in outline.tags if a.get("class") == "scroll"]
    labelled = [a["aria-labelledby"] for _, a in outline.tags if "aria-labelledby" in a]
    anchors = [str(a["href"])[1:] for a in outline.all("a")]

    assert outline.badly_nested == []
    assert outline.open == []
    assert len(ids) == len(set(ids))
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in regions)
    assert all(a.get("aria-label") for _, a in outline.tags if a.get("class") == "plot")
    assert all(a.get("scope") for a in outline.all("th"))
    assert set(labelled) <= set(ids)
    assert set(anchors) <= set(ids)


@pytest.fixture(scope="module")
def hostile_page() -> str:
    return render(hostile())


def test_hostile_names_stay_text_and_the_page_stays_small(hostile_page: str) -> None:
    outline = Outline(hostile_page)

    assert len(hostile_page.encode()) < MAX_BYTES
    assert "<img src=x" not in hostile_page
    assert outline.all("img") == []
    assert len(outline.all("script")) == len(specs(hostile_page)) + 3
    assert outline.badly_nested == []
    assert "\x1b" not in hostile_page
    assert "\u202e" not in hostile_page
    assert "{{7*7}}" in outline.text


def test_what_is_left_out_is_counted(hostile_page: str) -> None:
    words = Outline(hostile_page).words

    assert "The 6 with the largest excess are told in full below." in words
    for rest in ("+497 more", "+440 more windows", "+480 more reasons", "+492 more", "+495 more"):
        assert rest in words
    assert "+486 more callers" in words


def test_the_specs_are_json_that_cannot_end_its_element(hostile_page: str) -> None:
    assert len(specs(hostile_page)) > 10
    for spec in specs(hostile_page):
        assert "<" not in spec
        assert json.loads(spec)["layer"]


def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser to draw the page with: none of {', '.join(BROWSERS)} is on PATH")
    return found


def opened(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The page in a browser without a window: its document on stdout, its console on stderr."""
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking"
    return subprocess.run(
        [
            browser(),
            "--headless",
            "--no-sandbox",
            *quiet.split(),
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=30000",
            "--enable-logging=stderr",
            *options,
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


def few_but_hostile() -> Report:
    report = hostile()
    return replace(report, incidents=report.incidents[:2])


@pytest.mark.parametrize(
    ("report", "width"),
    [(samples.a_report(), 1280), (samples.a_report(), 390), (few_but_hostile(), 390)],
    ids=["wide", "phone", "hostile"],
)
def test_a_browser_draws_every_chart_without_complaint(
    report: Report, width: int, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(report))
    done = opened(page, tmp_path / "profile", f"--window-size={width},900", "--dump-dom")
    plots = [a for a in Outline(done.stdout).all("div") if "data-drawn" in a]

    assert 'data-charts="drawn"' in done.stdout
    assert len(plots) == len(specs(page.read_text()))
    assert {a["data-drawn"] for a in plots} == {"yes"}
    assert done.stdout.count("<svg") >= len(plots)
    assert "Infinity" not in done.stdout.split("</style>")[-1].split("<script>")[0]
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
