"""The pages in a real Chromium: silent console, usable by everybody, kept up by themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path

import httpx
import polars as pl
import pytest
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from detector.conditions import Condition
from detector.details import DetailLog
from detector.engine.baselines import Baseline, BaselineRows
from detector.report import chartdata, charts
from detector.report.bundle import bundle
from detector.settings import Settings, StoreSettings
from detector.store import Step, Store
from detector.store.feedback import Feedback, put_feedback
from detector.store.marks import marking
from detector.types import Series, Share
from tests.detector import report_samples as samples
from tests.web.conftest import eventually, served, speaking
from tests.web.samples import NOON
from tests.web.test_access import AMPLE, token

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
CHROMIUM = shutil.which("chromium")
WIDTHS = {"phone": (390, True), "desk": (1280, False)}  # and whether dark
ID = samples.incident().id
HOST = samples.CART
PATHS = (
    *("/", "/incidents", f"/incidents/{ID}", "/windows", "/windows/w1"),
    *("/services", f"/services/{HOST}", "/proxies"),
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('browser') / 'store.db'}"


@pytest.fixture(scope="module")
def base(url: str) -> Iterator[str]:
    incident = replace(samples.incident(), shares={samples.CART: Share(30, 100, 0.1)})
    normal = [
        Baseline(
            series=Series("source", f"caller-with-a-long-name-{n}.frontend-team", HOST, signal),
            since=samples.START,
            settles_at=samples.at(3_600 * n),
            judged=n != 1,
            counted=n == 2,
            rate=0.1**n,
        )
        for n, signal in enumerate(("503", "NC", "UF", "a signal of our own"))
    ]
    log = DetailLog(samples.at(3600) - samples.START)
    log.note(incident, samples.history(), samples.moments())
    step = Step(
        incidents=[incident],
        windows=[samples.window()],
        details=log.take(),
        baselines=BaselineRows(normal, whole=True),
        time=samples.at(120),
        first=samples.START,
    )
    with Store.open(url) as store:
        store.commit(step)
    with served("--store", url) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def open_page(browser: Browser, address: str, width: str, said: list[str]) -> Page:
    pixels, dark = WIDTHS[width]
    context = browser.new_context(
        viewport={"width": pixels, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    if page.locator("script[data-plot]").count():
        page.wait_for_function("document.documentElement.dataset.charts === 'drawn'")
    return page


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_accessible_fits_its_width_and_leaves_the_console_empty(
    browser: Browser, base: str, width: str
) -> None:
    for path in PATHS:
        said: list[str] = []
        page = open_page(browser, base + path, width, said)

        assert said == []
        page.evaluate(AXE)
        found = page.evaluate("axe.run()")
        assert [(one["id"], one["nodes"]) for one in found["violations"]] == []
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= WIDTHS[width][0]
        assert page.locator(".plot[data-drawn=no]").count() == 0
        page.context.close()


def test_the_keyboard_takes_an_incident_judges_and_silences_it(browser: Browser, base: str) -> None:
    said: list[str] = []
    page = open_page(browser, f"{base}/incidents/{ID}", "desk", said)

    page.get_by_label("Note").first.focus()
    page.keyboard.type("on it")
    page.keyboard.press("Enter")
    expect(page.locator("#acknowledge")).to_contain_text("“on it”")
    assert page.url.endswith(f"/incidents/{ID}#people")
    page.get_by_role("button", name="Expected").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#feedback")).to_contain_text("To be expected")
    page.get_by_text("Silence incidents like this one").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason").focus()
    page.keyboard.type("known")
    page.keyboard.press("Tab")
    page.keyboard.type("ann")
    page.keyboard.press("Enter")
    expect(page.locator("#hearing")).to_contain_text("by ann: “known”")
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert [(one["id"], one["nodes"]) for one in found["violations"]] == []
    assert said == []
    page.context.close()


def test_the_link_in_a_message_opens_the_form_that_silences(browser: Browser, base: str) -> None:
    page = open_page(browser, f"{base}/incidents/{ID}#silence", "phone", [])

    expect(page.get_by_label("Reason")).to_be_visible()
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    assert [(one["id"], one["nodes"]) for one in found["violations"]] == []
    page.context.close()


def test_a_page_that_keeps_itself_up_keeps_what_somebody_is_typing(
    browser: Browser, base: str, url: str
) -> None:
    page = open_page(browser, f"{base}/incidents/{ID}", "desk", [])
    page.get_by_label("Note").first.fill("half a sen")
    page.get_by_role("heading", level=1).click()
    with marking(StoreSettings(url=url)) as connection:
        judged = Feedback(incident_id=ID, verdict="true", by="bob", at=samples.at(0))
        put_feedback(connection, judged, None)

    page.evaluate("window.pushwake.refresh()")

    expect(page.get_by_label("Note").first).to_have_value("half a sen")
    page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_token_is_asked_for_once_even_when_a_link_on_another_site_was_followed(
    browser: Browser, url: str, base: str, width: str
) -> None:
    with speaking(url, Settings(web=AMPLE)) as client:
        ours = str(client.base_url)
        said: list[str] = []
        page = open_page(browser, f"{ours}/windows?kind=upgrade", width, said)
        page.evaluate(AXE)
        found = page.evaluate("axe.run()")
        assert [(one["id"], one["nodes"]) for one in found["violations"]] == []
        page.get_by_label("Token").fill(token(url, "read"))
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{ours}/windows?kind=upgrade")
        assert page.evaluate("document.cookie") == ""
        page.wait_for_function("window.pushwake.following()")

        page.goto(base.replace("127.0.0.1", "localhost"))  # another site to a browser
        page.evaluate("target => { location.href = target }", f"{ours}/incidents")

        expect(page).to_have_url(f"{ours}/incidents")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        page.goto(f"{ours}/services")
        expect(page).to_have_url(f"{ours}/sign-in?next=%2Fservices")
        assert said == []
        page.context.close()


def test_the_keyboard_leads_past_the_navigation_and_from_page_to_page(
    browser: Browser, base: str
) -> None:
    page = open_page(browser, base, "desk", [])

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("link", name="Windows", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("What reconciliations cost")
    page.context.close()


def test_the_chosen_colours_stay_from_page_to_page(browser: Browser, base: str) -> None:
    page = open_page(browser, base, "desk", [])

    page.get_by_role("button", name="Dark colours").click()
    page.goto(f"{base}/windows")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.context.close()


def asks(page: Page) -> list[str]:
    """Takes down what a page asks the server for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type))
    return asked


def is_question(answer: Response) -> bool:
    """Whether a page has asked whether anything has changed."""
    return answer.request.resource_type == "fetch"


def test_a_page_takes_over_what_the_server_tells_and_asks_for_nothing_until_then(
    browser: Browser, base: str, url: str
) -> None:
    page = browser.new_context().new_page()
    page.clock.install()
    asked = asks(page)
    with page.expect_response(is_question):  # what changed while the page was loaded
        page.goto(base)
    page.wait_for_function("window.pushwake.following()")
    page.evaluate("window.stays = true")

    page.clock.run_for(24_000)
    other = replace(samples.incident(), id="another", status="open", ended_at=None)
    with Store.open(url) as store:
        store.commit(Step(incidents=[other]))

        expect(page.get_by_role("heading", level=1)).to_contain_text("1 incident is open")
    assert page.evaluate("window.stays") is True
    assert asked.count("fetch") <= 3
    page.context.close()


def test_a_page_that_cannot_follow_asks_instead(browser: Browser, base: str, url: str) -> None:
    page = browser.new_context().new_page()
    page.clock.install()
    page.route("**/v1/events", lambda route: route.fulfill(status=503))
    page.goto(f"{base}/incidents")

    for _ in range(3):
        with page.expect_response(is_question):
            page.clock.run_for(4_100)
    assert page.evaluate("window.pushwake.following()") is False
    page.context.close()


def test_what_has_not_changed_is_not_touched_and_what_somebody_marks_stays(
    browser: Browser, base: str, url: str
) -> None:
    said: list[str] = []
    page = open_page(browser, f"{base}/incidents/{ID}", "desk", said)
    page.wait_for_function("window.pushwake.following()")
    page.evaluate("""
        window.kept = [...document.querySelectorAll("#lines, #charts, .plot svg")];
        getSelection().selectAllChildren(document.querySelector("#why p"));
        scrollTo(0, 500);
    """)
    top, marked = page.evaluate("[scrollY, getSelection().toString()]")
    known = replace(samples.incident(), shares={samples.CART: Share(30, 100, 0.1)})
    cause = replace(known.attribution, confidence=0.61)
    with Store.open(url) as store:
        store.commit(Step(incidents=[replace(known, severity="critical", attribution=cause)]))

    expect(page.locator("#verdict .severity-critical")).to_be_visible()
    assert len(page.evaluate("window.kept.map(part => part.tagName)")) >= 4
    assert page.evaluate("window.kept.every(part => part.isConnected)")
    assert page.evaluate("[scrollY, getSelection().toString()]") == [top, marked]
    assert marked
    page.evaluate("getSelection().removeAllRanges(); window.pushwake.refresh()")
    expect(page.locator("#why")).to_contain_text("61% sure")
    assert said == []
    page.context.close()


def test_parts_that_a_page_did_not_have_come_and_go_without_loading_it_anew(
    browser: Browser, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    late = Condition("late", "entries", NOON, NOON, None, "entries came late", "Look at it")
    with Store.open(url) as store:
        store.commit(Step(time=samples.at(120), first=samples.START))
    with served("--store", url) as address:
        said: list[str] = []
        page = open_page(browser, address, "desk", said)
        page.wait_for_function("window.pushwake.following()")
        page.evaluate("window.stays = true")
        assert page.locator("#timeline, #recent, #input").count() == 0

        with Store.open(url) as store:
            found, window = samples.incident(), samples.window()
            store.commit(Step(incidents=[found], windows=[window], conditions=[late]))
            expect(page.locator("#timeline .plot[data-drawn=yes] svg").first).to_be_visible()
            expect(page.locator("#recent")).to_contain_text("All incidents")
            expect(page.locator("#input")).to_contain_text("Entries came late. Look at it.")
            parts = page.evaluate("[...document.querySelectorAll('[data-live]')].map(p => p.id)")
            assert parts == ["pulse", "verdict", "input", "going", "live", "timeline", "recent"]
            store.commit(Step(conditions=[replace(late, until=NOON)]))
            expect(page.locator("#input")).to_have_count(0)

        assert page.evaluate("window.stays") is True
        assert said == []
        page.context.close()


def test_a_page_that_nobody_sees_holds_no_connection(browser: Browser, base: str) -> None:
    page = open_page(browser, base, "desk", [])
    page.wait_for_function("window.pushwake.following()")

    page.evaluate("""
        Object.defineProperty(document, "hidden", { get: () => true });
        document.dispatchEvent(new Event("visibilitychange"));
    """)

    assert page.evaluate("window.pushwake.following()") is False
    eventually(lambda: "pushwake_event_streams 0.0" in httpx.get(f"{base}/metrics").text)
    page.context.close()


def test_a_click_on_the_legend_singles_out_a_signal(browser: Browser) -> None:
    later = samples.moments().with_columns(
        signal=pl.lit("UF"), time=pl.col("time") + timedelta(seconds=1)
    )
    moments = pl.concat([samples.moments(), later])
    span = chartdata.span_of(samples.incident(), moments, 10)
    bins = chartdata.error_bins(samples.history(), moments, span)
    expected = chartdata.expected_bins(samples.history(), span, 10)
    drawn = charts.errors(bins, expected, [], samples.incident(), span)
    page = browser.new_context().new_page()
    page.set_content("<div id=plot style='width: 600px'></div>")
    page.add_script_tag(content=bundle())
    draw = "async spec => { await vegaEmbed('#plot', spec, { renderer: 'svg', ast: true }) }"
    page.evaluate(draw, drawn.spec)
    faded = page.locator("#plot .mark-rect path[opacity='0.12']")
    assert faded.count() == 0

    page.locator("#plot .role-legend-symbol path").first.click(force=True)

    expect(faded).to_have_count(bins.filter(pl.col("signal") == "UF").height)
    page.context.close()


def test_a_page_says_when_the_server_is_gone(browser: Browser, url: str, base: str) -> None:
    with served("--store", url) as address:
        page = open_page(browser, address, "desk", [])

    expect(page.get_by_role("alert")).to_contain_text("No answer from Pushwake", timeout=30_000)
    page.context.close()
