"""Pages in a real browser: seen at once, silent, accessible, and deaf to what names say."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.report import made, pages

from etastar.report.page.finding import finding_page
from etastar.report.page.sweep import sweep_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
    # greenlet, which playwright runs on, closes its loop after the last test
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_PATIENCE_MS = 120_000  # where others use the machine as well

WIDE, PHONE = {"width": 1280, "height": 720}, {"width": 390, "height": 844}
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


class Opened:
    """A page from `file://`, with all it asked for and said."""

    def __init__(self, browser: Browser, file: Path, size: dict[str, int], theme: str) -> None:
        self.context = browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
        self.context.set_default_timeout(_PATIENCE_MS)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.goto(file.as_uri())
        self.page.wait_for_function("document.querySelector('[data-toy]').dataset.regime")


Open = Any


@pytest.fixture(scope="module")
def opened(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Opened]]:
    folder = tmp_path_factory.mktemp("pages")
    with contextlib.ExitStack() as contexts:

        def open_(html: str, size: dict[str, int] = WIDE, theme: str = "light") -> Opened:
            file = folder / f"{len(list(folder.iterdir()))}.html"
            file.write_bytes(html.encode("utf-8", "replace"))
            made = Opened(browser, file, size, theme)
            contexts.callback(made.context.close)
            return made

        yield open_


@pytest.fixture(scope="module")
def ordinary() -> str:
    return finding_page(pages.finding())


@pytest.fixture(scope="module")
def page(opened: Open, ordinary: str) -> Page:
    """One page for all tests that leave it usable."""
    return opened(ordinary).page


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_verdict_is_seen_without_scrolling_and_nothing_is_asked_for(
    opened: Open, size: dict[str, int], lang: str
) -> None:
    seen = opened(finding_page(pages.finding(), lang), size)
    for part in ("h1", ".badge", ".rate strong", ".facts"):
        box = seen.page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= size["height"], part
        assert box["x"] + box["width"] <= size["width"], part
    scrolled = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert seen.page.evaluate(scrolled) <= 0
    assert seen.page.locator("canvas").count() == 4  # rate, schedule, range test, curves
    seen.page.wait_for_timeout(200)
    assert seen.requests == [seen.page.url]
    assert seen.said == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_no_serious_violation(opened: Open, theme: str, size: dict[str, int]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for html in (finding_page(pages.finding()), sweep_page(pages.sweep())):
        page = opened(html, size, theme).page
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in {"serious", "critical"}]
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious] == []


def test_the_button_copies_the_code_of_the_chosen_framework(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for name, part in (("PyTorch", "for batch in train:"), ("Trainer", "trainer = Trainer(")):
        page.get_by_role("tab", name=name).click()
        button = page.locator(".use .copy")
        button.filter(has_text="Copy").click()
        button.filter(has_text="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("[role=tabpanel]:visible code").text_content()
        assert part in copied


def test_the_keyboard_reaches_tabs_slider_and_trials(page: Page) -> None:
    page.get_by_role("tab", name="PyTorch").focus()
    page.keyboard.press("ArrowRight")
    assert "configure_optimizers" in page.locator("[role=tabpanel]:visible").inner_text()
    slider = page.locator("[data-try]")
    before = page.locator("[data-try-text]").inner_text()
    slider.focus()
    for _ in range(150):
        page.keyboard.press("ArrowRight")
    after = page.locator("[data-try-text]").inner_text()
    assert after != before
    assert "above the chosen rate" in after
    assert slider.get_attribute("aria-valuetext") == after
    trial = page.locator("[data-trials] tbody button").first
    trial.focus()
    page.keyboard.press("Enter")
    assert trial.get_attribute("aria-pressed") == "true"


def test_the_table_sorts_and_turns_pages(page: Page) -> None:

    def column(place: int) -> list[str]:
        return page.locator(f"[data-trials] tbody td:nth-child({place})").all_inner_texts()

    page.get_by_role("columnheader", name="learning rate").get_by_role("button").click()
    rising = [float(text) for text in column(1)]
    assert rising == sorted(rising)
    page.get_by_role("columnheader", name="learning rate").get_by_role("button").click()
    assert page.locator("[aria-sort=descending]").inner_text().startswith("learning rate")
    falling = [float(text) for text in column(1)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > rising[-1]
    page.locator("[data-page='1']").click()
    assert len(falling) + len(column(1)) == len(pages.finding().trials)


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_follows_the_system_until_the_button(
    opened: Open, ordinary: str, theme: str
) -> None:
    page = opened(ordinary, WIDE, theme).page
    assert page.locator("html").get_attribute("data-theme") == theme
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paper)
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") != theme
    assert page.evaluate(paper) != before


TOY = """([rate, momentum]) => {
    const { losses } = etastar.toy.simulate(rate * etastar.toy.edge(momentum), momentum, 20000);
    return losses.at(-1) / losses[0];
}"""


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_toy_diverges_past_its_edge_and_converges_below_it(page: Page, momentum: float) -> None:
    assert page.evaluate("m => etastar.toy.edge(m)", momentum) == pytest.approx(1 + momentum)
    above = page.evaluate(TOY, [1.001, momentum])
    assert above is None or above > 1e6  # infinite and NaN come back as None
    assert page.evaluate(TOY, [0.999, momentum]) < 1e-6


@pytest.mark.parametrize(
    ("rate", "regime", "outcome"),
    [
        ("0.01", "too_small", "not there after 100 steps"),
        ("0.1", "good", "converged after"),
        ("0.7", "optimal", "converged after"),
        ("0.99", "oscillating", "circles the minimum"),
        ("1.01", "diverging", "overshoots further"),
    ],
)
def test_the_toy_shows_the_five_regimes(page: Page, rate: str, regime: str, outcome: str) -> None:
    page.get_by_role("button", name=rate, exact=True).click()
    assert page.locator("[data-toy]").get_attribute("data-regime") == regime
    assert outcome in page.locator("[data-toy-state]").inner_text()
    for picture in ("valley", "curve"):
        points = page.locator(f"[data-toy-{picture}] polyline").get_attribute("points")
        assert points is not None
        assert len(points.split(" ")) == 101
        assert "NaN" not in points


def test_the_toy_is_dragged_by_the_keyboard(page: Page) -> None:
    page.locator("[data-toy-rate]").focus()
    page.keyboard.press("End")
    assert page.locator("[data-toy]").get_attribute("data-regime") == "diverging"
    page.keyboard.press("Home")
    assert page.locator("[data-toy]").get_attribute("data-regime") == "too_small"


def test_hostile_names_execute_nothing(opened: Open) -> None:
    every = " ".join(pages.HOSTILE)
    listed = {"warnings": pages.HOSTILE, "environment": {text: text for text in pages.HOSTILE}}
    for html in (
        finding_page(pages.hostile_finding(every).model_copy(update=listed)),
        sweep_page(pages.sweep(every, every, **listed)),
    ):
        seen = opened(html)
        assert seen.page.title() != "HACKED"
        marked = "document.querySelectorAll('main img, [onload], [onerror]').length"
        assert seen.page.evaluate(marked) == 0
        seen.page.locator("[data-trials] tbody button").first.click()
        assert seen.requests == [seen.page.url]
        assert seen.said == []


def test_no_answer_and_a_sweep_of_ten_thousand_are_drawn(opened: Open) -> None:
    empty = opened(finding_page(made.no_answer()))
    assert "No answer" in empty.page.locator(".badge").inner_text()
    large = opened(sweep_page(pages.sweep(trials=pages.many_trials(10_000, steps=30))))
    assert "of 10,000" in large.page.locator("[data-page-text]").inner_text()
    assert empty.said == large.said == []
