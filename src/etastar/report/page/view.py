"""What a page about an answer shows, in words and numbers, before any markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etastar.report.page.chart import curves_frame
from etastar.report.page.document import UPLOT, UPLOT_STYLE, document
from etastar.report.page.trials import MOST_CURVES, MOST_POINTS, columns, curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etastar.records import Trial
    from etastar.report.page.code import Snippet
    from etastar.report.page.words import Words

MARKS = {"confident": "✓", "uncertain": "≈", "no_answer": "?", "measured": "▦"}

SCRIPTS = (
    UPLOT,
    "page/assets/page.js",
    "page/assets/drawing.js",
    "page/assets/rate_chart.js",
    "page/assets/line_charts.js",
    "page/assets/table.js",
    "page/assets/toy.js",
)


@dataclass(frozen=True)
class Fact:
    """A name and what is so called; `share` draws it as a part of a whole as well."""

    name: str
    text: str
    share: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Other:
    """What another rate would have cost."""

    title: str
    lr: str
    text: str
    regime: str | None
    regime_word: str


@dataclass(frozen=True)
class Page:
    """A page about trials and what follows from them, from the first line to the last."""

    title: str
    about: str  # what kind of answer
    name: str  # of the task
    verdict: str  # a key of MARKS
    verdict_word: str
    sentence: str
    why: str  # the record's own words, in English
    lr: str | None
    facts: tuple[Fact, ...]
    advice: str
    snippets: tuple[Snippet, ...]
    chart_alt: str
    warnings: tuple[str, ...]
    others: tuple[Other, ...] = ()
    schedule: str | None = None
    schedule_alt: str = ""
    tables: tuple[Table, ...] = ()
    curves_note: str = ""
    range_alt: str = ""
    details: tuple[Fact, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    again: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Table:
    """A short table of words; `shares` draws a bar in each row."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...] = ()


def drawn(page: Page, words: Words) -> str:
    """The page as a document.

    Returns:
        HTML that needs nothing beside itself.
    """
    return document(
        "record.html",
        words,
        page.data,
        scripts=SCRIPTS,
        styles=(UPLOT_STYLE,),
        page=page,
        mark=MARKS[page.verdict],
        title=page.title,
    )


def trial_data(trials: Sequence[Trial]) -> dict[str, Any]:
    """What the table and the pictures of trials are drawn from.

    Returns:
        JSON-ready.
    """
    shown = curves(trials)
    return {"trials": columns(trials), "curves": shown, "curves_frame": curves_frame(shown)}


def curves_note(trials: Sequence[Trial], shown: int, words: Words) -> str:
    """What the picture of the loss curves leaves out, in words.

    Returns:
        A sentence or two; nothing where all is drawn.
    """
    with_curves = sum(len(trial.curve) > 1 for trial in trials)
    notes: list[str] = []
    if shown < with_curves:
        notes.append(words("curves.chosen", shown=f"{shown:,}", all=f"{with_curves:,}"))
    longest = max((len(trial.curve) for trial in trials), default=0)
    if longest > MOST_POINTS:
        notes.append(words("curves.thinned", points=MOST_POINTS))
    return " ".join(notes)


__all__ = ["MOST_CURVES", "Fact", "Other", "Page", "Table", "curves_note", "drawn", "trial_data"]
