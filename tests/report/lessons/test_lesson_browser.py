"""Lesson pages in a real browser: silent, accessible, still where wished, with a toy that works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.report.lessons.lessons import lesson
from tests.report.pages import HOSTILE
from tests.report.test_page_browser import (
    PHONE,
    THEMES,
    TOY,
    WIDE,
    browser,
    opened,
    pytestmark,
)

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page


__all__ = ["browser", "opened", "pytestmark"]  # fixtures and marks that pytest finds here

NAMES = ("regimes", "regimes-on-task")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    made = {}
    for name in NAMES:
        for lang in ("en", "ko"):
            folder = tmp_path_factory.mktemp(f"{name}-{lang}")
            files = lesson(name).save(folder, lang=lang)
            made[name, lang] = files[-1].read_text(encoding="utf-8")
    return made


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_asked_for_and_every_picture_is_there(
    opened: Any, pages: dict[tuple[str, str], str], name: str, lang: str, size: dict[str, int]
) -> None:
    seen = opened(pages[name, lang], size)
    widths = seen.page.evaluate(
        "[...document.querySelectorAll('main img')].map(i => i.naturalWidth)"
    )
    assert len(widths) >= 3
    assert all(width >= 600 for width in widths)
    scrolled = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert seen.page.evaluate(scrolled) <= 0
    seen.page.wait_for_timeout(200)
    outside = [url for url in seen.requests if not url.startswith("data:")]
    assert outside == [seen.page.url]
    assert seen.said == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_no_serious_violation(
    opened: Any, pages: dict[tuple[str, str], str], theme: str, size: dict[str, int]
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for name in NAMES:
        page = opened(pages[name, "en"], size, theme).page
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in {"serious", "critical"}]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in serious] == []


def test_films_play_until_they_are_paused(opened: Any, pages: dict[tuple[str, str], str]) -> None:
    page: Page = opened(pages["regimes", "en"]).page
    film = page.locator("[data-movie]").first
    kind = "element => element.src.slice(0, 15)"
    assert film.evaluate(kind) == "data:image/gif;"
    page.get_by_role("button", name="Pause").first.click()
    assert film.evaluate(kind) == "data:image/png;"
    page.get_by_role("button", name="Play").first.click()
    assert film.evaluate(kind) == "data:image/gif;"


def test_who_wants_no_motion_sees_none(opened: Any, pages: dict[tuple[str, str], str]) -> None:
    page: Page = opened(pages["regimes", "en"]).page
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    page.wait_for_function("document.querySelector('[data-toy]').dataset.regime")
    kinds = page.locator("[data-movie]").evaluate_all("all => all.map(i => i.src.slice(0, 15))")
    assert set(kinds) == {"data:image/png;"}
    assert page.get_by_role("button", name="Play").count() == len(kinds)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_toy_diverges_past_its_edge_and_converges_below_it(
    opened: Any, pages: dict[tuple[str, str], str], momentum: float
) -> None:
    page: Page = opened(pages["regimes", "en"]).page
    above = page.evaluate(TOY, [1.001, momentum])
    assert above is None or above > 1e6
    assert page.evaluate(TOY, [0.999, momentum]) < 1e-6


def test_toy_and_lesson_name_the_five_rates_alike(
    opened: Any, pages: dict[tuple[str, str], str]
) -> None:
    page: Page = opened(pages["regimes", "en"]).page
    for run in lesson("regimes").runs:  # type: ignore[attr-defined]
        page.get_by_role("button", name=f"{run.lr:g}", exact=True).click()
        assert page.locator("[data-toy]").get_attribute("data-regime") == run.regime
        if run.regime in {"good", "optimal"}:
            told = page.locator("[data-toy-state]").inner_text()
            assert f"converged after {run.observed_epochs} steps" in told


def test_hostile_names_execute_nothing(opened: Any, tmp_path: Path) -> None:
    texts = tuple(text.replace("\ud800", "") for text in HOSTILE)  # what is no text is no JSON
    every = " ".join(texts)
    made = lesson("regimes-on-task")
    summary = made.summary.model_copy(update={"name": every, "optimizer": every})  # type: ignore[attr-defined]
    hostile = made.model_copy(
        update={
            "task": every,
            "summary": summary,
            "warnings": texts,
            "environment": {text: text for text in texts},
        }
    )
    page = hostile.save(tmp_path)[-1].read_text(encoding="utf-8")
    seen = opened(page)
    assert seen.page.title() != "HACKED"
    marked = seen.page.locator("[onload], [onerror], main img:not([src^='data:image/'])")
    assert marked.count() == 0
    assert [url for url in seen.requests if not url.startswith("data:")] == [seen.page.url]
    assert seen.said == []
